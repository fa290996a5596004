package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var commit = time.Date(2026, 11, 25, 10, 52, 33, 0, time.UTC)

func TestPackageVersion(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"v1.2.3", "1.2.3"},
		{"1.2.3", "1.2.3"},
		{"1.2", "1.2"},
		{"v1.2.3-dirty", "1.2.3+0.dirty"},
		{"v1.2.3-5-g1a2b3c4", "1.2.3+5.g1a2b3c4"},
		{"v1.2.3-5-g1a2b3c4-dirty", "1.2.3+5.g1a2b3c4+dirty"},
		{"v1.2.3-rc1", "1.2.3~rc1"},
		{"v1.2.3-rc.1-5-g1a2b3c4", "1.2.3~rc.1+5.g1a2b3c4"},
		{"2180179", "0.0~git20261125105233.2180179"}, // git's seven digits, all decimal
		{"1a2b3c4-dirty", "0.0~git20261125105233.1a2b3c4+dirty"},
		{"1.2.3~dev", "1.2.3~dev"},
		{"1.0.0~rc1", "1.0.0~rc1"},
	} {
		if got, err := packageVersion(c.text, commit); got != c.want || err != nil {
			t.Errorf("packageVersion(%q) = %q, %v, want %q", c.text, got, err, c.want)
		}
	}
	for _, text := range []string{"", "dev", "main", "1.2.3 x", "1.2.3/../x", "v", "-1", "1.2.3-a_b", "1:2.3", "1.2.3;x"} {
		if got, err := packageVersion(text, commit); err == nil {
			t.Errorf("packageVersion(%q) = %q, want an error", text, got)
		}
	}
}

// dpkg and rpm agree on the order of what is released one after the other.
func TestVersionsSortAsTheyAreReleased(t *testing.T) {
	var all []string
	for i, text := range []string{"1a2b3c4", "0a2b3c4", "0a2b3c4-dirty", "v0.1.0-rc1", "v0.1.0-rc1-3-g1a2b3c4", "v0.1.0-rc2", "v0.1.0", "v0.1.0-dirty", "v0.1.0-2-g9a2b3c4",
		"v0.1.0-10-g1a2b3c4", "v0.1.1-rc1", "v0.1.1", "v0.2.0", "v0.10.0"} {
		version, err := packageVersion(text, commit.Add(time.Duration(i)*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, version)
	}
	_, noDpkg := exec.LookPath("dpkg")
	_, noRPM := exec.LookPath("rpm")
	for i := range len(all) - 1 {
		a, b := all[i], all[i+1]
		if noDpkg == nil {
			if out, err := exec.Command("dpkg", "--compare-versions", a, "lt", b).CombinedOutput(); err != nil {
				t.Errorf("dpkg: %s is not before %s: %v %s", a, b, err, out)
			}
		}
		if noRPM == nil {
			if out, err := exec.Command("rpm", "--eval", `%{lua: print(rpm.vercmp("`+a+`", "`+b+`"))}`).Output(); err != nil || strings.TrimSpace(string(out)) != "-1" {
				t.Errorf("rpm: %s is not before %s: %v %s", a, b, err, out)
			}
		}
	}
	if noDpkg != nil && noRPM != nil {
		t.Skip("NOT TESTED: neither dpkg nor rpm is here")
	}
}

const changes = `# Changelog

Text before the first heading is left out.

## Unreleased

What this is about.

- ` + "`sluice recorder`" + `: an item that goes on for so long that it has to be broken
  into several lines, since Debian wants them short, and so on.
- second

### A heading between

- third

## 0.9.0 (2026-10-01)

- older
`

const wantChanges = `sluice (1.0.0) stable; urgency=medium

  What this is about.
  * ` + "`sluice recorder`" + `: an item that goes on for so long that it has to be
    broken into several lines, since Debian wants them short, and so on.
  * second
  * third

 -- M <m@example.org>  Wed, 25 Nov 2026 10:52:33 +0000

sluice (0.9.0) stable; urgency=medium

  * older

 -- M <m@example.org>  Thu, 01 Oct 2026 00:00:00 +0000
`

func TestChangelog(t *testing.T) {
	r := release{version: "1.0.0", time: commit, maintainer: "M <m@example.org>"}
	got, err := r.changelog(changes)
	if err != nil || got != wantChanges {
		t.Errorf("changelog: %v\n%s", err, got)
	}
	for text, want := range map[string]string{"": "no heading", "## Someday\n- x\n": "no heading", "## 1.0.0 (2026-13-01)\n": "2026-13-01"} {
		if _, err := r.changelog(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("changelog(%q): %v, want %q", text, err, want)
		}
	}
}

// The project's own changelog is one that Debian's tools read.
func TestOwnChangelog(t *testing.T) {
	text, err := os.ReadFile("../../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	r := release{version: "1.0.0", time: commit, maintainer: "M <m@example.org>"}
	got, err := r.changelog(string(text))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(got) {
		if len(line) > 81 {
			t.Errorf("too long: %s", line)
		}
	}
	if _, err := exec.LookPath("dpkg-parsechangelog"); err != nil {
		t.Skip("NOT TESTED: dpkg-parsechangelog is missing; on Debian: apt-get install dpkg-dev")
	}
	file := filepath.Join(t.TempDir(), "changelog")
	if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("dpkg-parsechangelog", "-l", file, "-S", "Version").CombinedOutput()
	if err != nil || string(out) != "1.0.0\n" {
		t.Errorf("dpkg-parsechangelog: %v: %s", err, out)
	}
}

func TestIdentify(t *testing.T) {
	const bsd = "Redistribution and use in source and binary\nforms, with or without modification, are permitted"
	for _, c := range []struct{ text, want string }{
		{"Permission is hereby granted, free of charge, to any person obtaining", "MIT"},
		{"Apache License\n   Version 2.0, January 2004", "Apache-2.0"},
		{`Licensed under the Apache License, Version 2.0 (the "License")`, "Apache-2.0"},
		{bsd, "BSD-2-Clause"},
		{bsd + " … Neither the name of X nor the names of", "BSD-3-Clause"},
		{bsd + " … The name of the author may not be used to endorse or promote", "BSD-3-Clause"},
		{"Apache License Version 2.0 … Permission is hereby granted, free of charge, to any person", "Apache-2.0 MIT"},
		{"All rights reserved.", ""},
	} {
		if got := strings.Join(identify(c.text), " "); got != c.want {
			t.Errorf("identify(%q) = %q, want %q", c.text, got, c.want)
		}
	}
}

func TestLicenses(t *testing.T) {
	// One of each kind that go.mod has.
	for path, want := range map[string]string{
		"std":                              "BSD-3-Clause",
		"github.com/cespare/xxhash/v2":     "MIT",
		"github.com/spf13/cobra":           "Apache-2.0",
		"github.com/eclipse/paho.golang":   "BSD-3-Clause", // EDL
		"github.com/coreos/go-systemd/v22": "Apache-2.0",
		"github.com/klauspost/compress":    "Apache-2.0 AND BSD-3-Clause AND MIT",
	} {
		l, err := licenseOf(module{path: path})
		if err != nil || l.expression() != want {
			t.Errorf("license of %s: %s, %v, want %s", path, l.expression(), err, want)
		}
		if strings.Contains(l.text, "Grant of Patent License") {
			t.Errorf("license of %s: the text of the Apache License is in it", path)
		}
	}
	l, err := licenseOf(module{path: "github.com/coreos/go-systemd/v22"})
	if err != nil || !strings.Contains(l.text, "This product includes software developed at CoreOS") || !slices.Contains(l.owners, "Copyright 2018 CoreOS, Inc") {
		t.Errorf("the notice is missing: %v\n%s\n%v", err, l.text, l.owners)
	}
	if _, err := licenseOf(module{path: "example.org/unknown"}); err == nil {
		t.Error("no error for a module that is not there")
	}
}

// The bill of this test binary names its modules, and nothing that changes.
func TestBill(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "sluice-amd64")); err != nil {
		t.Fatal(err)
	}
	dep := module{"github.com/spf13/cobra", "v1.10.2+incompatible", "h1:x="}
	texts := map[string]bool{}
	for range 2 {
		r := release{bin: bin, out: t.TempDir(), version: "1.0.0~rc1+2", time: commit}
		if err := r.writeBill(target{arch: "amd64"}, []module{dep}); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(r.out, "sluice-1.0.0~rc1+2-linux-amd64.cdx.json"))
		if err != nil {
			t.Fatal(err)
		}
		texts[string(text)] = true
		var b bill
		if err := json.Unmarshal(text, &b); err != nil {
			t.Fatal(err)
		}
		c := b.Components[0]
		if c.PURL != "pkg:golang/github.com/spf13/cobra@v1.10.2%2Bincompatible" || c.Licenses[0].Expression != "Apache-2.0" || c.Properties[0].Value != "h1:x=" {
			t.Errorf("component %+v", c)
		}
		if b.Metadata.Timestamp != "2026-11-25T10:52:33Z" || len(b.Metadata.Component.Hashes[0].Content) != 64 || b.Dependencies[0].Deps[0] != c.Ref {
			t.Errorf("bill %+v", b)
		}
	}
	if len(texts) != 1 {
		t.Error("the bill differs from run to run")
	}
	if found, err := modules(self); err != nil || found[0].path != "std" || !strings.HasPrefix(found[0].version, "1.") {
		t.Errorf("modules: %v, %v", found, err)
	}
	if _, err := modules("pack_test.go"); err == nil || !strings.Contains(err.Error(), "make cross") {
		t.Errorf("modules of a text: %v", err)
	}
}

func TestWrongUsage(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1")
	for want, args := range map[string][]string{
		"arm5":             {"-version", "1.0", "-only", "amd64,arm5"},
		"-version":         {"-out", t.TempDir()},
		"is no version":    {"-version", "main"},
		"make cross build": {"-version", "1.0", "-bin", t.TempDir(), "-out", t.TempDir()},
	} {
		if err := run(args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("pack %s: %v, want %q", args, err, want)
		}
	}
	t.Setenv("SOURCE_DATE_EPOCH", "yesterday")
	if err := run([]string{"-version", "1.0"}); err == nil || !strings.Contains(err.Error(), "SOURCE_DATE_EPOCH") {
		t.Errorf("a wrong time: %v", err)
	}
}

// What was made earlier goes; what others have put there stays.
func TestEmpty(t *testing.T) {
	r := release{out: t.TempDir()}
	for _, name := range []string{"sluice_1.0_armhf.deb", "sluice-1.0.x86_64.rpm", "SHA256SUMS", "notes", "sluice"} {
		if err := os.WriteFile(filepath.Join(r.out, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.empty(); err != nil {
		t.Fatal(err)
	}
	left, _ := filepath.Glob(filepath.Join(r.out, "*"))
	for i := range left {
		left[i] = filepath.Base(left[i])
	}
	if !slices.Equal(left, []string{"notes", "sluice"}) {
		t.Errorf("left: %v", left)
	}
}
