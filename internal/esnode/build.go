package esnode

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

//go:embed maven build.go
var sources embed.FS

// buildTime is how long Maven may take for one kind of node, with a slow network.
const buildTime = 9 * time.Minute

// errMissing says that this machine has no JDK or no Maven.
var errMissing = errors.New("a JDK of 17 or newer (javac) and Maven (mvn) are needed; on Debian: apt-get install default-jdk-headless maven")

// distribution is a node's program, ready to run. In its folder are
// classes (our main class), lib (the server), home and secure, which have
// modules and plugins; secure has the security plugin too.
type distribution struct {
	dir  string
	kind Kind
}

func (d distribution) home(secure bool) string {
	if secure {
		return filepath.Join(d.dir, "secure")
	}
	return filepath.Join(d.dir, "home")
}

func (d distribution) classPath() string {
	return filepath.Join(d.dir, "classes") + ":" + filepath.Join(d.dir, "lib", "*")
}

// tool finds a program of the JDK in JAVA_HOME, or if that is not set on the
// path; otherwise it returns errMissing.
func tool(name string) (string, error) {
	if home := os.Getenv("JAVA_HOME"); home != "" {
		name = filepath.Join(home, "bin", name)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", errMissing
	}
	return path, nil
}

// prepare returns the distribution of a kind from the cache, and builds it there
// first if it is missing. Several processes may call it at the same time.
func prepare(k Kind) (distribution, error) {
	d := distribution{kind: k}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	cache = filepath.Join(cache, "sluice-esnode")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return d, fmt.Errorf("make the cache: %w", err)
	}
	name, err := k.fingerprint()
	if err != nil {
		return d, err
	}
	d.dir = filepath.Join(cache, name)
	lock, err := os.Create(filepath.Join(cache, k.String()+".lock"))
	if err != nil {
		return d, fmt.Errorf("lock the cache: %w", err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return d, fmt.Errorf("lock the cache: %w", err)
	}
	if _, err := os.Stat(d.dir); err == nil {
		return d, nil
	}
	work, err := os.MkdirTemp(cache, k.String()+"-work-")
	if err != nil {
		return d, fmt.Errorf("build in the cache: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	if err := k.build(work); err != nil {
		return d, fmt.Errorf("build the %s node: %w", k, err)
	}
	if err := os.Rename(filepath.Join(work, "target"), d.dir); err != nil {
		return d, fmt.Errorf("put the %s node into the cache: %w", k, err)
	}
	return d, nil
}

// fingerprint names what a distribution is made from: another version, another
// source or another layout has another name.
func (k Kind) fingerprint() (string, error) {
	sum := sha256.New()
	layout, err := sources.ReadFile("build.go")
	if err != nil {
		return "", err
	}
	fmt.Fprintf(sum, "%s %v\n%s", k.log4j(), k.modules(), layout)
	err = k.eachSource(func(name string, data []byte) error {
		fmt.Fprintf(sum, "%s %d\n%s", name, len(data), data)
		return nil
	})
	return fmt.Sprintf("%s-%s-%x", k, k.Version(), sum.Sum(nil)[:6]), err
}

func (k Kind) eachSource(do func(name string, data []byte) error) error {
	root := "maven/" + k.String()
	return fs.WalkDir(sources, root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := sources.ReadFile(path)
		if err != nil {
			return err
		}
		return do(strings.TrimPrefix(path, root+"/"), data)
	})
}

// build makes the distribution in work/target.
func (k Kind) build(work string) error {
	for _, need := range []string{"java", "javac"} {
		if _, err := tool(need); err != nil {
			return err
		}
	}
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return errMissing
	}
	err = k.eachSource(func(name string, data []byte) error {
		file := filepath.Join(work, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		return os.WriteFile(file, data, 0o644)
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), buildTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, mvn, "-q", "-B", "-Dnode.version="+k.Version(), "-Dlog4j.version="+k.log4j(),
		"compile", "dependency:copy-dependencies", "-DoutputDirectory="+filepath.Join(work, "target", "lib"))
	cmd.Dir = work
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mvn: %w\n%s", err, out)
	}
	return k.layOut(filepath.Join(work, "target"))
}

// layOut sorts what Maven gave into modules and plugins.
func (k Kind) layOut(target string) error {
	for _, m := range k.modules() {
		if err := k.layOutModule(target, m); err != nil {
			return fmt.Errorf("module %s: %w", m.name, err)
		}
	}
	if err := os.Mkdir(filepath.Join(target, "home", "plugins"), 0o755); err != nil {
		return err
	}
	if k != OpenSearch {
		return nil
	}
	plugin := filepath.Join(target, "secure", "plugins", "opensearch-security")
	if err := os.MkdirAll(plugin, 0o755); err != nil {
		return err
	}
	if err := os.Symlink("../home/modules", filepath.Join(target, "secure", "modules")); err != nil {
		return err
	}
	archive := filepath.Join(target, "lib", "opensearch-security-"+k.Version()+".0.zip")
	if err := unzip(archive, plugin); err != nil {
		return fmt.Errorf("security plugin: %w", err)
	}
	return os.Remove(archive)
}

func (k Kind) layOutModule(target string, m module) error {
	dir := filepath.Join(target, "home", "modules", m.name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if m.name == restRoot.name {
		if err := jarClasses(filepath.Join(target, "classes"), m.class, filepath.Join(dir, m.name+".jar")); err != nil {
			return err
		}
	}
	for _, beginning := range m.jars {
		jars, err := filepath.Glob(filepath.Join(target, "lib", beginning+"*.jar"))
		if err != nil {
			return err
		}
		for _, jar := range jars {
			if err := os.Rename(jar, filepath.Join(dir, filepath.Base(jar))); err != nil {
				return err
			}
		}
	}
	description := fmt.Sprintf("name=%[1]s\ndescription=%[1]s\nversion=%[2]s\n%[3]s.version=%[2]s\njava.version=1.8\nclassname=%[4]s\nextended.plugins=%[5]s\nhas.native.controller=false\n",
		m.name, k.Version(), k.product(), k.className(m), m.extends)
	return os.WriteFile(filepath.Join(dir, "plugin-descriptor.properties"), []byte(description), 0o644)
}

// jarClasses moves a class and those inside it from a folder into a jar.
func jarClasses(classes, class, jar string) error {
	files, err := filepath.Glob(filepath.Join(classes, class+"*.class"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("class %s was not compiled", class)
	}
	var buffer bytes.Buffer
	archive := zip.NewWriter(&buffer)
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		entry, err := archive.Create(filepath.Base(file))
		if err != nil {
			return err
		}
		if _, err := entry.Write(data); err != nil {
			return err
		}
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return os.WriteFile(jar, buffer.Bytes(), 0o644)
}

func unzip(archive, dir string) error {
	r, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	for _, entry := range r.File {
		if !filepath.IsLocal(entry.Name) {
			return fmt.Errorf("%s: entry %q leads out of the folder", archive, entry.Name)
		}
		if err := unzipEntry(entry, filepath.Join(dir, entry.Name)); err != nil {
			return fmt.Errorf("%s: %w", archive, err)
		}
	}
	return nil
}

func unzipEntry(entry *zip.File, file string) error {
	if entry.FileInfo().IsDir() {
		return os.MkdirAll(file, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	r, err := entry.Open()
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o644)
}
