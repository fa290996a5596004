package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

var (
	described = regexp.MustCompile(`^v?([0-9]+(?:\.[0-9]+)*)(?:-([0-9A-Za-z.]+))??(?:-([0-9]+)-g([0-9a-f]+))?(-dirty)?$`)
	bare      = regexp.MustCompile(`^([0-9a-f]{7,40})(-dirty)?$`)
	packaged  = regexp.MustCompile(`^[0-9][0-9A-Za-z.+~]*$`)
)

// packageVersion makes a version that dpkg and rpm sort as it is meant from one
// given by hand or by "git describe --tags --always --dirty":
//
//	v1.2.3             1.2.3
//	v1.2.3-rc1         1.2.3~rc1                before 1.2.3
//	v1.2.3-5-g1a2b3c4  1.2.3+5.g1a2b3c4         after 1.2.3, before 1.2.4
//	1a2b3c4            0.0~git20261125105233.1a2b3c4   no tag yet: before any, by the time of the commit
//	v1.2.3-dirty       1.2.3+0.dirty            changes that are not committed: after
//	…-dirty            …+dirty                  that commit, before the next
//
// A version that is one already is taken as it is.
func packageVersion(text string, commit time.Time) (string, error) {
	if text == "" || text == "dev" {
		return "", errors.New("no version: git describes none here; give one, as in make dist VERSION=1.2.3")
	}
	dirty := ""
	if m := bare.FindStringSubmatch(text); m != nil {
		if m[2] != "" {
			dirty = "+dirty"
		}
		return "0.0~git" + commit.UTC().Format("20060102150405") + "." + m[1] + dirty, nil
	}
	m := described.FindStringSubmatch(text)
	if m == nil {
		if packaged.MatchString(text) {
			return text, nil
		}
		return "", fmt.Errorf("%q is no version: 1.2.3, 1.2.3-rc1 or what git describe prints", text)
	}
	version := m[1]
	if m[2] != "" {
		version += "~" + m[2]
	}
	switch {
	case m[3] != "":
		version += "+" + m[3] + ".g" + m[4] + strings.Replace(m[5], "-", "+", 1)
	case m[5] != "":
		version += "+0.dirty"
	}
	return version, nil
}
