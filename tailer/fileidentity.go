package tailer

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"sluice/registry"
)

// Kinds of file_identity.
const (
	identityNative      = "native"
	identityFingerprint = "fingerprint"
	identityPath        = "path"
	identityInodeMarker = "inode_marker"
)

// FileIdentity is file_identity: by what a file's State is found again.
type FileIdentity struct {
	chosen string
	more   []string // chosen beside it
	marker InodeMarker
}

// InodeMarker is file_identity.inode_marker.
type InodeMarker struct {
	// Path of a file whose content stands for the device: it must be on the
	// same file system as the followed files. Required.
	Path string `config:"path"`
}

// Kinds lists the identities.
func (i *FileIdentity) Kinds() []string {
	return []string{identityNative, identityFingerprint, identityPath, identityInodeMarker}
}

// Choose makes it one of them and returns its options.
func (i *FileIdentity) Choose(kind string) any {
	if i.chosen != "" {
		i.more = append(i.more, kind)
	}
	i.chosen = kind
	if kind == identityInodeMarker {
		return &i.marker
	}
	return nil
}

// Kind returns the chosen identity; empty if none is.
func (i *FileIdentity) Kind() string { return i.chosen }

func (i *FileIdentity) validate() error {
	switch {
	case len(i.more) > 0:
		return fault("file_identity", "more than one is given; choose one of %s", strings.Join(i.Kinds(), ", "))
	case i.chosen == identityInodeMarker && i.marker.Path == "":
		return fault("file_identity.inode_marker.path", "is required: a file on the followed files' file system that holds its name")
	}
	return nil
}

// identityOf settles the identity of an input that names none. Filebeat's
// filestream goes by fingerprints from 9.0 on.
func identityOf(c *InputConfig, version string) string {
	if c.FileIdentity.chosen != "" {
		return c.FileIdentity.chosen
	}
	major, _, _ := strings.Cut(version, ".")
	n, err := strconv.Atoi(major)
	if c.kind() == TypeFilestream && c.Prospector.Scanner.Fingerprint.Enabled && (err != nil || n >= 9) {
		return identityFingerprint
	}
	return identityNative
}

// readMarker reads the file of inode_marker.
func (in *input) readMarker() (string, error) {
	if in.identity != identityInodeMarker {
		return "", nil
	}
	text, err := os.ReadFile(in.cfg.FileIdentity.marker.Path)
	if err != nil {
		return "", fmt.Errorf("file_identity.inode_marker.path: %w; make that file, with a name of the file system in it", err)
	}
	if len(text) > 4096 {
		return "", fmt.Errorf("file_identity.inode_marker.path: %s holds %d bytes; it should hold a short name", in.cfg.FileIdentity.marker.Path, len(text))
	}
	return string(text), nil
}

// nativeID is the identity by device and inode.
func nativeID(id inode) string { return fmt.Sprintf("native::%d-%d", id.ino, id.dev) }

// idOf returns a file's identity as it stands in keys: fp is its fingerprint,
// empty if it has none yet.
func (in *input) idOf(id inode, path, fp string) string {
	switch {
	case in.identity == identityPath:
		return "path::" + path
	case in.identity == identityInodeMarker:
		return fmt.Sprintf("inode_marker::%d-%s", id.ino, in.marker)
	case fp != "":
		return "fingerprint::" + fp
	}
	return nativeID(id)
}

// identifierName is the identity's name in States.
func identifierName(id string) string {
	name, _, _ := strings.Cut(id, "::")
	return name[strings.LastIndexByte(name, '-')+1:] // behind the hash of meta
}

// errShort says that a file has not as many bytes as its fingerprint needs.
var errShort = errors.New("the file is smaller than what its fingerprint needs")

// fingerprint hashes the bytes that identify a file, as Filebeat does: the
// hexadecimal SHA-256 of length bytes from offset on.
func fingerprint(r io.ReaderAt, fp Fingerprint) (string, error) {
	h := sha256.New()
	n, err := io.Copy(h, io.NewSectionReader(r, fp.Offset, fp.Length))
	switch {
	case err != nil:
		return "", err
	case n < fp.Length:
		return "", errShort
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// fingerprintAt hashes the file at path; empty if it is too small, gone, or
// another one by now.
func (in *input) fingerprintAt(path string, id inode) string {
	fp := in.cfg.Prospector.Scanner.Fingerprint
	if fp.Length == 0 {
		fp = DefaultInput().Prospector.Scanner.Fingerprint
	}
	c, err := in.openContent(path)
	if err != nil {
		return ""
	}
	defer c.close()
	if info, err := statOpen(c.file); err != nil || info.inode != id {
		return ""
	}
	hash, err := fingerprint(c.data, fp)
	if err != nil {
		return ""
	}
	return hash
}

// identify gives a file of an input with fingerprints its key by fingerprint
// once it has grown to the size that this takes, if no other file has it: two
// equal files stay two.
func (t *Tailer) identify(f *file) {
	if f.in.identity != identityFingerprint {
		return
	}
	fp := f.in.cfg.Prospector.Scanner.Fingerprint
	f.mu.Lock()
	path, size, gone, outdated := f.path, f.size, f.removed || f.forgotten, f.outdated && !f.forgotten
	if outdated {
		f.fingerprint, f.outdated = "", false
	}
	f.mu.Unlock()
	if outdated {
		f.fingerprinted = false
		t.rekey(f, f.in.keyOf(f.inode, path, "")) // a copy may need the other key
	}
	if gone || f.fingerprinted || size < fp.Offset+fp.Length {
		return
	}
	hash := f.in.fingerprintAt(path, f.inode)
	if hash == "" {
		return
	}
	f.fingerprinted = true
	key := f.in.keyOf(f.inode, path, hash)
	if f.in.set.keys[key] != nil {
		f.in.log.Debug().Str("path", path).Msg("another file has the same fingerprint: this one stays known by device and inode")
		return
	}
	f.mu.Lock()
	f.fingerprint = hash
	f.mu.Unlock()
	t.rekey(f, key)
}

// rekey moves a file's State to another key; both changes are durable
// together.
func (t *Tailer) rekey(f *file, key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.key
	if old == key || f.detached {
		return
	}
	if f.in.set.keys[old] == f {
		delete(f.in.set.keys, old)
	}
	f.in.set.keys[key] = f
	f.key = key
	if _, known := t.reg.Get(old); known {
		f.save()
		t.reg.Forget(old)
	}
}

// addOrphan keeps a State that no file has claimed yet.
func (t *Tailer) addOrphan(s registry.State) {
	if s.Birth != 0 {
		t.orphans.add(s, anyPath)
	}
	if fp := printOf(&s); fp != "" {
		t.orphanPrints[fp] = append(t.orphanPrints[fp], s)
	}
	if name := identifierName(s.ID); name == identityFingerprint || name == identityPath {
		s.Inode, s.Device = 0, 0 // it is not known by them
	}
	t.orphans.add(s, s.Source)
}

// removeOrphan ends that.
func (t *Tailer) removeOrphan(s registry.State) {
	t.orphans.remove(s)
	if fp := printOf(&s); fp != "" {
		t.orphanPrints[fp] = slices.DeleteFunc(t.orphanPrints[fp], func(o registry.State) bool { return o.Key == s.Key })
		if len(t.orphanPrints[fp]) == 0 {
			delete(t.orphanPrints, fp)
		}
	}
}

// printOf returns the fingerprint that a State's file is known by; empty if
// it is known otherwise.
func printOf(s *registry.State) string {
	if identifierName(s.ID) != identityFingerprint {
		return ""
	}
	_, fp, _ := strings.Cut(s.ID, "::")
	fp, _, _ = strings.Cut(fp, "-") // without the stream
	return fp
}
