// Package packaging_test builds the release as "make dist" does, twice, and looks
// at the packages: what is in them, what lintian says, and what they do to a
// machine when they are installed, upgraded, removed and purged.
package packaging_test

import (
	"archive/tar"
	"bytes"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/internal/nspawn"
)

const (
	version = "1.0.0~rc1"
	epoch   = 1767225600 // 2026-01-01
)

var scratch string // of all tests

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "sluice-packages-"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(scratch)
	os.Exit(code)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// needs skips, loudly, without a tool: PROGRAM or PROGRAM:PACKAGE.
func needs(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		name, pkg, ok := strings.Cut(tool, ":")
		if !ok {
			pkg = name
		}
		if _, err := exec.LookPath(name); err != nil {
			nspawn.Skip(t, name+" is missing; on Debian: apt-get install "+pkg)
		}
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	must(t, err)
	return string(text)
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// copyTree copies the sources, without what git does not keep.
func copyTree(from, to string) error {
	out, err := exec.Command("git", "-C", from, "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		return fmt.Errorf("git ls-files: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		info, err := os.Stat(filepath.Join(from, name))
		if errors.Is(err, os.ErrNotExist) {
			continue // deleted, and git does not know yet
		}
		if err != nil {
			return err
		}
		text, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, name), text, info.Mode()); err != nil {
			return err
		}
	}
	return nil
}

// dist runs "make dist" in a folder of sources, with the mask of a careful user.
func dist(tree string) error {
	build := exec.Command("sh", "-c", "umask 077; exec make --no-print-directory dist")
	build.Dir = tree
	build.Env = append(os.Environ(), "VERSION="+version, "COMMIT=1a2b3c4", fmt.Sprintf("SOURCE_DATE_EPOCH=%d", epoch))
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("make dist: %w\n%s", err, out)
	}
	return nil
}

// first is the folder of sources that the packages of all tests are built in.
var first = sync.OnceValues(func() (string, error) {
	tree := filepath.Join(scratch, "first")
	if err := copyTree("../..", tree); err != nil {
		return "", err
	}
	return tree, dist(tree)
})

// built returns the folder of the release.
func built(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds all packages")
	}
	needs(t, "make", "git")
	tree, err := first()
	must(t, err)
	return filepath.Join(tree, "dist")
}

func deb(t *testing.T, arch string) string {
	return filepath.Join(built(t), "sluice_"+version+"_"+arch+".deb")
}

func rpm(t *testing.T, arch string) string {
	return filepath.Join(built(t), "sluice-"+version+"."+arch+".rpm")
}

func TestTheSameCommitGivesTheSameBytes(t *testing.T) {
	dir := built(t)
	second := filepath.Join(scratch, "a folder of another length", "second")
	must(t, os.CopyFS(second, os.DirFS(filepath.Dir(dir))))
	must(t, os.RemoveAll(filepath.Join(second, "dist")))
	must(t, os.RemoveAll(filepath.Join(second, "bin")))
	must(t, dist(second))
	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) != 3+2+4+4+1 {
		t.Errorf("the release has %d files: %v", len(entries), entries)
	}
	for _, entry := range entries {
		one, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		must(t, err)
		two, err := os.ReadFile(filepath.Join(second, "dist", entry.Name()))
		must(t, err)
		if !bytes.Equal(one, two) {
			t.Errorf("%s differs", entry.Name())
		}
	}
	if out := output(t, "sh", "-c", `cd "$1" && sha256sum --quiet --strict -c SHA256SUMS && wc -l < SHA256SUMS`, "sh", dir); out != "13\n" {
		t.Errorf("SHA256SUMS: %s", out)
	}
}

// contents is what a Debian package holds, and its modes; an rpm has the same
// but for the lines below.
const contents = `
-rwxr-xr-x /etc/cron.weekly/sluice
-rwxr-xr-x /usr/bin/sluice
-rw-r--r-- /usr/lib/systemd/system/sluice-cleaner.service
-rw-r--r-- /usr/lib/systemd/system/sluice-cleaner.service.d/configured.conf
-rw-r--r-- /usr/lib/systemd/system/sluice-cleaner.timer
-rw-r--r-- /usr/lib/systemd/system/sluice-recorder.service
-rw-r--r-- /usr/lib/systemd/system/sluice-recorder.service.d/configured.conf
-rw-r--r-- /usr/lib/systemd/system/sluice-tailer.service
-rw-r--r-- /usr/lib/systemd/system/sluice-tailer.service.d/configured.conf
-rw-r--r-- /usr/lib/systemd/system/sluice-vpn.service
-rw-r--r-- /usr/lib/sysusers.d/sluice.conf
-rw-r--r-- /usr/lib/tmpfiles.d/sluice.conf
-rw-r--r-- /usr/share/bash-completion/completions/sluice
-rw-r--r-- /usr/share/doc/sluice/copyright
-rw-r--r-- /usr/share/doc/sluice/examples/sluice.yml
-rw-r--r-- /usr/share/doc/sluice/packages.md
-rw-r--r-- /usr/share/doc/sluice/sluice.reference.yml
-rw-r--r-- /usr/share/doc/sluice/units.md
-rw-r--r-- /usr/share/fish/vendor_completions.d/sluice.fish
-rw-r--r-- /usr/share/man/man1/sluice.1.gz
-rw-r--r-- /usr/share/sluice/sluice-recorder-serial.conf
-rw-r--r-- /usr/share/sluice/vpn/lib.sh
-rwxr-xr-x /usr/share/sluice/vpn/openvpn-server
-rwxr-xr-x /usr/share/sluice/vpn/wireguard-server
`

const onlyDeb = `
-rw-r--r-- /usr/share/doc/sluice/changelog.gz
-rw-r--r-- /usr/share/lintian/overrides/sluice
-rw-r--r-- /usr/share/zsh/vendor-completions/_sluice
`

const onlyRPM = `
-rw-r--r-- /usr/lib/systemd/system-preset/50-sluice.preset
drwxr-xr-x /usr/lib/systemd/system/sluice-cleaner.service.d
drwxr-xr-x /usr/lib/systemd/system/sluice-recorder.service.d
drwxr-xr-x /usr/lib/systemd/system/sluice-tailer.service.d
drwxr-xr-x /usr/share/doc/sluice
drwxr-xr-x /usr/share/doc/sluice/examples
drwxr-xr-x /usr/share/licenses/sluice
drwxr-xr-x /usr/share/sluice
drwxr-xr-x /usr/share/sluice/vpn
-rw-r--r-- /usr/share/doc/sluice/CHANGELOG.md
-rw-r--r-- /usr/share/licenses/sluice/LICENSE
-rw-r--r-- /usr/share/zsh/site-functions/_sluice
`

// guide are the lines of docs/*.md.
func guide(t *testing.T) string {
	t.Helper()
	pages, err := filepath.Glob("../../docs/*.md")
	must(t, err)
	var list strings.Builder
	for _, page := range pages {
		fmt.Fprintf(&list, "-rw-r--r-- /usr/share/doc/sluice/%s\n", filepath.Base(page))
	}
	return list.String()
}

// compare compares two lists of lines in any order.
func compare(t *testing.T, name, got, want string) {
	t.Helper()
	has, wants := strings.Split(strings.TrimSpace(got), "\n"), strings.Fields(strings.ReplaceAll(want, " ", "\x00"))
	for i := range wants {
		wants[i] = strings.ReplaceAll(wants[i], "\x00", " ")
	}
	for _, line := range has {
		if !slices.Contains(wants, line) {
			t.Errorf("%s holds, but should not: %s", name, line)
		}
	}
	for _, line := range wants {
		if !slices.Contains(has, line) {
			t.Errorf("%s lacks %s", name, line)
		}
	}
}

// entries reads the files of a .deb, of the part "fsys" or "ctrl".
func entries(t *testing.T, file, part string) (headers []*tar.Header, texts map[string][]byte) {
	t.Helper()
	out, err := exec.Command("dpkg-deb", "--"+part+"-tarfile", file).Output()
	must(t, err)
	texts = map[string][]byte{}
	for archive := tar.NewReader(bytes.NewReader(out)); ; {
		header, err := archive.Next()
		if err == io.EOF {
			return headers, texts
		}
		must(t, err)
		text, err := io.ReadAll(archive)
		must(t, err)
		headers = append(headers, header)
		texts[strings.TrimPrefix(header.Name, ".")] = text
	}
}

func TestContentsOfDebianPackages(t *testing.T) {
	needs(t, "dpkg-deb:dpkg")
	for _, c := range []struct{ arch, goarch, variant string }{
		{"armhf", "arm", "GOARM=6"}, {"arm64", "arm64", ""}, {"amd64", "amd64", "GOAMD64=v1"},
	} {
		file := deb(t, c.arch)
		headers, texts := entries(t, file, "fsys")
		var list strings.Builder
		for _, h := range headers {
			if !h.ModTime.Equal(time.Unix(epoch, 0)) || h.Uname != "root" || h.Gname != "root" || h.Uid != 0 || h.Gid != 0 {
				t.Errorf("%s: %s of %s:%s (%d:%d), %s", c.arch, h.Name, h.Uname, h.Gname, h.Uid, h.Gid, h.ModTime)
			}
			mode := h.FileInfo().Mode()
			if h.Typeflag == tar.TypeDir {
				if mode.Perm() != 0o755 {
					t.Errorf("%s: folder %s has mode %s", c.arch, h.Name, mode)
				}
				continue
			}
			fmt.Fprintf(&list, "%s %s\n", mode, strings.TrimPrefix(h.Name, "."))
		}
		compare(t, c.arch, list.String(), contents+onlyDeb+guide(t))
		info, err := buildinfo.Read(bytes.NewReader(texts["/usr/bin/sluice"]))
		must(t, err)
		settings := fmt.Sprint(info.Settings)
		if !strings.Contains(settings, "{GOARCH "+c.goarch+"}") || !strings.Contains(settings, "{"+strings.ReplaceAll(c.variant, "=", " ")) {
			t.Errorf("%s holds a binary for %s", c.arch, settings)
		}
		_, control := entries(t, file, "ctrl")
		if got := string(control["/conffiles"]); got != "/etc/cron.weekly/sluice\n" {
			t.Errorf("%s: conffiles %q", c.arch, got)
		}
		for field, want := range map[string]string{"Package": "sluice", "Version": version, "Architecture": c.arch, "Depends": "adduser"} {
			if got := strings.TrimSpace(output(t, "dpkg-deb", "-f", file, field)); got != want {
				t.Errorf("%s: %s is %q, not %q", c.arch, field, got, want)
			}
		}
		for name, source := range map[string]string{
			"/usr/lib/systemd/system/sluice-vpn.service": "../../systemd/sluice-vpn.service",
			"/usr/lib/sysusers.d/sluice.conf":            "../../systemd/sluice.sysusers",
			"/usr/lib/tmpfiles.d/sluice.conf":            "../../systemd/sluice.tmpfiles",
			"/etc/cron.weekly/sluice":                    "../../systemd/cron.weekly/sluice",
			"/usr/share/doc/sluice/examples/sluice.yml":  "sluice.yml",
		} {
			if want := read(t, source); string(texts[name]) != want {
				t.Errorf("%s: %s is not %s", c.arch, name, source)
			}
		}
	}
}

// The guide is whole: its links lead to a file of the package, and to a heading in it.
func TestLinksOfTheGuideWorkInThePackage(t *testing.T) {
	needs(t, "dpkg-deb:dpkg")
	const folder = "/usr/share/doc/sluice/"
	_, texts := entries(t, deb(t, "arm64"), "fsys")
	heading := func(text []byte, anchor string) bool {
		for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(string(text), -1) {
			bare := regexp.MustCompile(`[^\pL\pN _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
			if strings.ReplaceAll(bare, " ", "-") == anchor {
				return true
			}
		}
		return false
	}
	n := 0
	for name, text := range texts {
		if !strings.HasPrefix(name, folder) || !strings.HasSuffix(name, ".md") {
			continue
		}
		for _, m := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(string(text), -1) {
			file, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(file, "://") {
				continue
			}
			n++
			to := name
			if file != "" {
				to = path.Join(folder, file)
			}
			if texts[to] == nil || anchor != "" && !heading(texts[to], anchor) {
				t.Errorf("%s: the link to %s leads nowhere", name, m[1])
			}
		}
	}
	if n < 50 || !bytes.Contains(texts[folder+"devices.md"], []byte(" (firmware/avr/README.md in the source)")) || !bytes.Contains(texts[folder+"gateway.md"], []byte("](units.md)")) {
		t.Errorf("%d links; gateway.md: %s", n, texts[folder+"gateway.md"])
	}
}

func TestContentsOfRPMPackages(t *testing.T) {
	needs(t, "rpm")
	for _, arch := range []string{"x86_64", "aarch64"} {
		file := rpm(t, arch)
		compare(t, arch, output(t, "rpm", "-qp", "--qf", `[%{FILEMODES:perms} %{FILENAMES}\n]`, file), contents+onlyRPM+guide(t))
		owners := strings.Fields(output(t, "rpm", "-qp", "--qf", `[%{FILEUSERNAME}:%{FILEGROUPNAME}\n]`, file))
		slices.Sort(owners)
		if owners = slices.Compact(owners); !slices.Equal(owners, []string{"root:root"}) {
			t.Errorf("%s: owners %v", arch, owners)
		}
		want := fmt.Sprintf("sluice %s 1 %s %d localhost /etc/cron.weekly/sluice", version, arch, epoch)
		if got := strings.TrimSpace(output(t, "rpm", "-qp", "--configfiles", "--qf", `%{NAME} %{VERSION} %{RELEASE} %{ARCH} %{BUILDTIME} %{BUILDHOST} `, file)); got != want {
			t.Errorf("%s: %q, not %q", arch, got, want)
		}
		if out := output(t, "rpm", "-K", "--nosignature", file); !strings.HasSuffix(out, "digests OK\n") {
			t.Errorf("%s: %s", arch, out)
		}
	}
}

func TestTarballHoldsBinaryUnitsAndPapers(t *testing.T) {
	top := "sluice-" + version + "-linux-amd64"
	dir := t.TempDir()
	output(t, "tar", "-xzf", filepath.Join(built(t), top+".tar.gz"), "-C", dir)
	if out := output(t, filepath.Join(dir, top, "bin/sluice"), "version"); !strings.Contains(out, "sluice version "+version+" (amd64), commit 1a2b3c4") {
		t.Errorf("the binary says %s", out)
	}
	if _, err := os.Stat(filepath.Join(dir, top, "doc/README.md")); err != nil {
		t.Errorf("the archive lacks the guide: %v", err)
	}
	// What systemd/README.md installs by hand.
	named := regexp.MustCompile(`(sluice[-.][a-z-]+(\.[a-z]+)?|cron\.weekly/sluice) /`).FindAllStringSubmatch(read(t, "../../systemd/README.md"), -1)
	if len(named) < 3 {
		t.Errorf("systemd/README.md installs only %v", named)
	}
	for _, name := range named {
		if _, err := os.Stat(filepath.Join(dir, top, "systemd", name[1])); err != nil {
			t.Errorf("the archive lacks what systemd/README.md installs: %v", err)
		}
	}
}

func TestLintianHasNothingToSay(t *testing.T) {
	needs(t, "lintian")
	for _, arch := range []string{"amd64", "arm64", "armhf"} {
		out, err := exec.Command("lintian", "--allow-root", "--tag-display-limit=0", "--fail-on=error,warning", deb(t, arch)).CombinedOutput()
		if err != nil || len(out) != 0 {
			t.Errorf("lintian, %s: %v\n%s", arch, err, out)
		}
	}
}

func TestScriptsAreSound(t *testing.T) {
	needs(t, "shellcheck")
	output(t, "shellcheck", "--severity=warning", "deb/preinst", "deb/postinst", "deb/prerm", "deb/postrm",
		"rpm/post", "rpm/preun", "rpm/postun", "../../scripts/armhf-tree", "../../systemd/cron.weekly/sluice")
}
