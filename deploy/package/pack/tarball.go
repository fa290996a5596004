package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
)

// inTarball is what goes with the binary, and its mode.
var inTarball = []struct {
	from, to string
	mode     int64
}{
	{"LICENSE", "LICENSE", 0o644},
	{"CHANGELOG.md", "CHANGELOG.md", 0o644},
	{"STAGE/copyright", "copyright", 0o644},
	{"docs/sluice.1", "sluice.1", 0o644},
	{"config/sluice.reference.yml", "sluice.reference.yml", 0o644},
	{"deploy/package/sluice.yml", "sluice.yml", 0o644},
	{"STAGE/sluice.bash", "completions/sluice.bash", 0o644},
	{"STAGE/sluice.fish", "completions/sluice.fish", 0o644},
	{"STAGE/sluice.zsh", "completions/_sluice", 0o644},
	{"systemd/README.md", "systemd/README.md", 0o644},
	{"systemd/cron.weekly/sluice", "systemd/cron.weekly/sluice", 0o755},
	{"systemd/sluice-cleaner.service", "systemd/sluice-cleaner.service", 0o644},
	{"systemd/sluice-cleaner.timer", "systemd/sluice-cleaner.timer", 0o644},
	{"systemd/sluice-recorder-serial.conf", "systemd/sluice-recorder-serial.conf", 0o644},
	{"systemd/sluice-recorder.service", "systemd/sluice-recorder.service", 0o644},
	{"systemd/sluice-tailer.service", "systemd/sluice-tailer.service", 0o644},
	{"systemd/sluice-vpn.service", "systemd/sluice-vpn.service", 0o644},
	{"systemd/sluice.sysusers", "systemd/sluice.sysusers", 0o644},
	{"systemd/sluice.tmpfiles", "systemd/sluice.tmpfiles", 0o644},
}

// tarball packs the binary with units and papers. The binary is in the folder bin,
// beside systemd, so that the commands of systemd/README.md fit.
func (r *release) tarball(t target) (err error) {
	top := fmt.Sprintf("sluice-%s-linux-%s", r.version, t.arch)
	file, err := os.Create(filepath.Join(r.out, top+".tar.gz"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	compressed, err := gzip.NewWriterLevel(file, gzip.BestCompression)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(compressed)
	if err := r.add(archive, r.binary(t), path.Join(top, "bin/sluice"), 0o755); err != nil {
		return err
	}
	for _, f := range inTarball {
		from := f.from
		if path.Dir(from) == "STAGE" {
			from = filepath.Join(r.stage, path.Base(from))
		}
		if err := r.add(archive, from, path.Join(top, f.to), f.mode); err != nil {
			return err
		}
	}
	pages, err := filepath.Glob(filepath.Join(r.stage, "doc/*.md"))
	if err != nil {
		return err
	}
	for _, page := range pages {
		if err := r.add(archive, page, path.Join(top, "doc", filepath.Base(page)), 0o644); err != nil {
			return err
		}
	}
	fmt.Println(file.Name())
	return errors.Join(archive.Close(), compressed.Close())
}

func (r *release) add(archive *tar.Writer, from, to string, mode int64) error {
	file, err := os.Open(from)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	err = archive.WriteHeader(&tar.Header{Name: to, Mode: mode, Size: info.Size(), ModTime: r.time, Uname: "root", Gname: "root", Format: tar.FormatUSTAR})
	if err != nil {
		return err
	}
	_, err = io.Copy(archive, file)
	return err
}
