// Command pack makes what a release consists of, from binaries that are built:
//
//	sluice_VERSION_{armhf,arm64,amd64}.deb      Debian packages; armhf is for every Pi (ARMv6)
//	sluice-VERSION.{aarch64,x86_64}.rpm         the same for RPM systems
//	sluice-VERSION-linux-ARCH.tar.gz            binary, units and papers, without a package
//	sluice-VERSION-linux-ARCH.cdx.json          what the binary was made of (CycloneDX)
//	SHA256SUMS                                  of all these files
//
// "make dist" builds the binaries and calls it at the top of the source tree. The
// same commit gives the same bytes, anywhere: all times are that of the commit, or
// SOURCE_DATE_EPOCH; names, order, owners and modes are fixed.
//
// deploy/package/nfpm.yaml says what is in the packages, README.md beside it what
// they do.
package main

import (
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// target is one binary and what is made of it; an empty name is not made.
type target struct {
	arch string // of the binary, as in bin/sluice-ARCH
	deb  string // Debian's name of the architecture
	rpm  string
}

var targets = []target{
	{"arm6", "armhf", ""},
	{"arm7", "", ""},
	{"arm64", "arm64", "aarch64"},
	{"amd64", "amd64", "x86_64"},
}

// release is one run of the program.
type release struct {
	bin, out   string    // folders of the binaries and of the result
	stage      string    // folder of what goes into every package
	version    string    // of the packages; see packageVersion
	maintainer string    // NAME <ADDRESS>
	time       time.Time // of every file
	modules    []module  // of all binaries
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	var r release
	flags := flag.NewFlagSet("pack", flag.ContinueOnError)
	version := flags.String("version", "", "version, or what git describe prints (needed)")
	only := flags.String("only", "", "comma-separated `architectures` (default all: arm6,arm7,arm64,amd64)")
	flags.StringVar(&r.bin, "bin", "bin", "`folder` of the binaries sluice-ARCH")
	flags.StringVar(&r.out, "out", "dist", "`folder` of the result; an earlier one is deleted from it")
	flags.StringVar(&r.maintainer, "maintainer", "sluice maintainers <maintainers@sluice.example>", "who answers for the packages")
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen := targets
	if *only != "" {
		chosen = slices.DeleteFunc(slices.Clone(targets), func(t target) bool {
			return !slices.Contains(strings.Split(*only, ","), t.arch)
		})
		if len(chosen) != len(strings.Split(*only, ",")) {
			return fmt.Errorf("-only %s: an architecture is unknown; there are arm6, arm7, arm64 and amd64", *only)
		}
	}
	var err error
	if r.time, err = sourceTime(); err != nil {
		return err
	}
	if r.version, err = packageVersion(*version, r.time); err != nil {
		return fmt.Errorf("-version: %w", err)
	}
	if r.stage, err = os.MkdirTemp("", "sluice-pack-"); err != nil {
		return err
	}
	return errors.Join(r.make(chosen), os.RemoveAll(r.stage))
}

func (r *release) make(chosen []target) error {
	if err := r.empty(); err != nil {
		return err
	}
	for _, t := range chosen {
		found, err := modules(r.binary(t))
		if err != nil {
			return err
		}
		r.modules = append(r.modules, found...)
		if err := r.writeBill(t, found); err != nil {
			return err
		}
	}
	if err := r.prepare(); err != nil {
		return err
	}
	for _, t := range chosen {
		if err := r.packages(t); err != nil {
			return err
		}
		if err := r.tarball(t); err != nil {
			return err
		}
	}
	return r.sums()
}

func (r *release) binary(t target) string { return filepath.Join(r.bin, "sluice-"+t.arch) }

// sourceTime is SOURCE_DATE_EPOCH in seconds, or else the time of the commit.
func sourceTime() (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		out, err := exec.Command("git", "log", "-1", "--format=%ct").Output()
		if err != nil {
			return time.Time{}, fmt.Errorf("no time of the commit from git (%w): set SOURCE_DATE_EPOCH, in seconds since 1970", err)
		}
		text = strings.TrimSpace(string(out))
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH: %q is not a number of seconds", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// empty deletes what an earlier run has made, and nothing else.
func (r *release) empty() error {
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	for _, pattern := range []string{"sluice_*.deb", "sluice-*.rpm", "sluice-*.tar.gz", "sluice-*.cdx.json", "SHA256SUMS"} {
		old, err := filepath.Glob(filepath.Join(r.out, pattern))
		if err != nil {
			return err
		}
		for _, file := range old {
			if err := os.Remove(file); err != nil {
				return err
			}
		}
	}
	return nil
}

// prepare makes the files that are the same in every package.
func (r *release) prepare() error {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		host := filepath.Join(r.bin, "sluice-"+hostArch())
		script, err := exec.Command(host, "completion", shell).Output()
		if err != nil {
			return fmt.Errorf("completions for %s, from the binary for this machine: %w", shell, err)
		}
		if err := r.put("sluice."+shell, script); err != nil {
			return err
		}
	}
	manual, err := os.ReadFile("docs/sluice.1")
	if err != nil {
		return err
	}
	changes, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		return err
	}
	changelog, err := r.changelog(string(changes))
	if err != nil {
		return fmt.Errorf("CHANGELOG.md: %w", err)
	}
	copyright, err := copyright(r.modules)
	if err != nil {
		return err
	}
	return errors.Join(r.pages(), r.put("sluice.1.gz", manual), r.put("changelog.gz", []byte(changelog)), r.put("copyright", []byte(copyright)))
}

func hostArch() string {
	if runtime.GOARCH == "arm" {
		return "arm6"
	}
	return runtime.GOARCH
}

// put writes a file of the stage, compressed without name and time if it ends in .gz.
func (r *release) put(name string, text []byte) error {
	file, err := os.Create(filepath.Join(r.stage, name))
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	var to io.WriteCloser = file
	if strings.HasSuffix(name, ".gz") {
		if to, err = gzip.NewWriterLevel(file, gzip.BestCompression); err != nil {
			return err
		}
	}
	if _, err := to.Write(text); err != nil {
		return err
	}
	return to.Close()
}

// packages has nfpm make the .deb and the .rpm of a binary.
func (r *release) packages(t target) error {
	for _, p := range []struct{ kind, arch, file string }{
		{"deb", t.deb, fmt.Sprintf("sluice_%s_%s.deb", r.version, t.deb)},
		{"rpm", t.rpm, fmt.Sprintf("sluice-%s.%s.rpm", r.version, t.rpm)},
	} {
		if p.arch == "" {
			continue
		}
		file := filepath.Join(r.out, p.file)
		nfpm := exec.Command("go", "tool", "-modfile=tools/nfpm.mod", "nfpm", "package", "-f", "deploy/package/nfpm.yaml", "-p", p.kind, "-t", file)
		nfpm.Env = append(os.Environ(), "BIN="+r.binary(t), "STAGE="+r.stage, "ARCH="+p.arch, "VERSION="+r.version,
			"MAINTAINER="+r.maintainer, "SOURCE_DATE_EPOCH="+strconv.FormatInt(r.time.Unix(), 10))
		if out, err := nfpm.CombinedOutput(); err != nil {
			return fmt.Errorf("nfpm, %s: %w\n%s", p.file, err, out)
		}
		fmt.Println(file)
	}
	return nil
}

// sums writes SHA256SUMS, which "sha256sum -c SHA256SUMS" checks in the same folder.
func (r *release) sums() error {
	entries, err := os.ReadDir(r.out)
	if err != nil {
		return err
	}
	var lines strings.Builder
	for _, entry := range entries {
		if entry.IsDir() || !strings.HasPrefix(entry.Name(), "sluice") {
			continue
		}
		sum, err := hash(filepath.Join(r.out, entry.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&lines, "%s  %s\n", sum, entry.Name())
	}
	return os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), []byte(lines.String()), 0o644)
}

// hash is a file's SHA-256 in hexadecimal digits.
func hash(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", sum.Sum(nil)), nil
}
