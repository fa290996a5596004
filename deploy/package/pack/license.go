package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// license is what a module may be passed on under.
type license struct {
	ids    []string // SPDX
	text   string   // without the text of the Apache License, which we enclose once
	owners []string // lines "Copyright …"
}

func (l license) expression() string { return strings.Join(l.ids, " AND ") }

// Sentences that tell licenses apart; the first that fits of each group counts.
var sentences = []struct{ id, sentence string }{
	{"Apache-2.0", `Apache License,? Version 2\.0`},
	{"MIT", `Permission is hereby granted, free of charge, to any person`},
	{"ISC", `Permission to use, copy, modify, and(/or)? distribute this software`},
	{"BSD-3-Clause", `Redistribution and use in source and binary forms.*(Neither the name|names? of .* may not|may not be used to endorse)`},
	{"BSD-2-Clause", `Redistribution and use in source and binary forms`},
	{"MPL-2.0", `Mozilla Public License,? (version|v\.) ?2\.0`},
}

// identify finds the licenses that a text contains.
func identify(text string) (ids []string) {
	line := strings.Join(strings.Fields(text), " ")
	for _, s := range sentences {
		if s.id == "BSD-2-Clause" && slices.Contains(ids, "BSD-3-Clause") {
			continue
		}
		if regexp.MustCompile(`(?i)` + s.sentence).MatchString(line) {
			ids = append(ids, s.id)
		}
	}
	return ids
}

var (
	licenseFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying)(\.(txt|md))?$`)
	noticeFile  = regexp.MustCompile(`(?i)^notice(\.(txt|md))?$`)
	// Where there is a choice (EPL or EDL), this one, which is a BSD license.
	chosenFile = "edl-v10"
	apacheText = regexp.MustCompile(`(?is)[ \t]*Apache License\s+Version 2\.0, January 2004.*?any such warranty\s+or\s+additional\s+liability\.(\s*END OF TERMS AND CONDITIONS)?(\s*APPENDIX:.*?limitations under the License\.)?`)
	ownerLine  = regexp.MustCompile(`(?im)^[ \t*#]*(copyright (?:\(c\) |© )?[0-9].*|copyright (?:\(c\)|©) [A-Za-z].*)$`)
)

// licenseOf reads a module's license from the go command's module cache.
func licenseOf(m module) (l license, err error) {
	folder, err := folderOf(m)
	if err != nil {
		return l, err
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return l, err
	}
	var files []string
	for _, entry := range entries {
		if name := entry.Name(); licenseFile.MatchString(name) || noticeFile.MatchString(name) || name == chosenFile {
			files = append(files, name)
		}
	}
	if slices.Contains(files, chosenFile) {
		files = []string{chosenFile}
	}
	for _, name := range files {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return l, err
		}
		if !noticeFile.MatchString(name) {
			l.ids = append(l.ids, identify(string(text))...)
		}
		short := apacheText.ReplaceAllString(string(text), "[The Apache License, Version 2.0: see above.]")
		for _, owner := range ownerLine.FindAllStringSubmatch(short, -1) {
			if line := strings.TrimSpace(owner[1]); !slices.Contains(l.owners, line) {
				l.owners = append(l.owners, line)
			}
		}
		l.text += strings.TrimSpace(short) + "\n"
	}
	if len(l.ids) == 0 {
		return l, fmt.Errorf("module %s %s: no license is recognised in %s: add its sentence to license.go", m.path, m.version, folder)
	}
	slices.Sort(l.ids)
	l.ids = slices.Compact(l.ids)
	return l, nil
}

func folderOf(m module) (string, error) {
	args := []string{"list", "-m", "-f", "{{.Dir}}", m.path}
	if m.path == "std" {
		args = []string{"env", "GOROOT"}
	}
	out, err := exec.Command("go", args...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return "", fmt.Errorf("module %s: folder: %w", m.path, err)
	}
	return strings.TrimSpace(string(out)), nil
}

const ours = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: sluice
Comment: The program is linked from the Go modules below; their own terms follow.

Files: *
Copyright: the authors of sluice
License: Apache-2.0
 Licensed under the Apache License, Version 2.0. You may obtain a copy at
 http://www.apache.org/licenses/LICENSE-2.0
 .
 On Debian systems the complete text of the Apache License, Version 2.0, can be
 found in /usr/share/common-licenses/Apache-2.0, in RPM packages in
 /usr/share/licenses/sluice/LICENSE, and in archives in LICENSE.
`

// copyright writes the file that Debian wants (copyright-format 1.0), with the
// terms of every module: most ask that they go along with the binary.
func copyright(all []module) (string, error) {
	slices.SortFunc(all, func(a, b module) int { return strings.Compare(a.path+" "+a.version, b.path+" "+b.version) })
	var out strings.Builder
	out.WriteString(ours)
	for _, m := range slices.Compact(all) {
		l, err := licenseOf(m)
		if err != nil {
			return "", err
		}
		if len(l.owners) == 0 {
			l.owners = []string{"the authors of " + m.path}
		}
		fmt.Fprintf(&out, "\nFiles: %s\nComment: version %s\nCopyright: %s\nLicense: %s\n", m.path, m.version,
			strings.Join(l.owners, "\n           "), strings.ReplaceAll(l.expression(), " AND ", " and "))
		for line := range strings.Lines(l.text) {
			line = strings.TrimRight(line, " \t\r\n")
			if line == "" {
				line = "."
			}
			out.WriteString(" " + line + "\n")
		}
	}
	return out.String(), nil
}
