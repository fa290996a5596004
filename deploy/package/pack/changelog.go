package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// heading is one of CHANGELOG.md: "## Unreleased", "## 1.2.3", "## 1.2.3 (2026-12-24)".
var heading = regexp.MustCompile(`^## (Unreleased|v?[0-9][0-9A-Za-z.+~-]*)(?:.*?([0-9]{4}-[0-9]{2}-[0-9]{2}))?`)

// changelog turns CHANGELOG.md into Debian's form (deb-changelog(5)), with lines of
// its width. What is not released yet is this version; a release without a date has
// that of the commit.
func (r *release) changelog(text string) (string, error) {
	var out strings.Builder
	end, paragraph := "", ""
	flush := func() {
		out.WriteString(wrap(paragraph))
		paragraph = ""
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if m := heading.FindStringSubmatch(line); m != nil {
			flush()
			version, when, err := r.released(m[1], m[2])
			if err != nil {
				return "", fmt.Errorf("%s: %w", line, err)
			}
			fmt.Fprintf(&out, "%ssluice (%s) stable; urgency=medium\n\n", end, version)
			end = fmt.Sprintf("\n -- %s  %s\n\n", r.maintainer, when.Format(time.RFC1123Z))
			continue
		}
		if end == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if line == "" || strings.HasPrefix(line, "- ") {
			flush()
		}
		paragraph += " " + line
	}
	if end == "" {
		return "", errors.New(`no heading such as "## Unreleased" or "## 1.2.3 (2026-12-24)"`)
	}
	flush()
	return out.String() + strings.TrimSuffix(end, "\n"), nil
}

// released is the version of a heading, and its time.
func (r *release) released(version, date string) (string, time.Time, error) {
	when := r.time
	if version == "Unreleased" {
		return r.version, when, nil
	}
	version, err := packageVersion(version, when)
	if err == nil && date != "" {
		when, err = time.Parse(time.DateOnly, date)
	}
	return version, when, err
}

// wrap breaks a paragraph, or an item that begins with "-", at 79 columns.
func wrap(text string) string {
	words := strings.Fields(text)
	if len(words) == 0 {
		return ""
	}
	line, margin := " ", "   "
	if words[0] == "-" {
		words[0] = "*"
	} else {
		margin = " "
	}
	var out strings.Builder
	for _, word := range words {
		if len(line)+1+len(word) > 79 && strings.TrimSpace(line) != "" {
			out.WriteString(line + "\n")
			line = margin
		}
		line += " " + word
	}
	return out.String() + line + "\n"
}
