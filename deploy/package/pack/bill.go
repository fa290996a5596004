package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// module is one that a binary is made of, as the go command has written into it.
type module struct {
	path, version string
	sum           string // as in go.sum; empty for the standard library
}

// modules reads a binary's modules. The first is Go's standard library.
func modules(binary string) ([]module, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; make cross builds it", binary, err)
	}
	all := []module{{path: "std", version: strings.TrimPrefix(info.GoVersion, "go")}}
	for _, dep := range info.Deps {
		if dep.Replace != nil {
			dep = dep.Replace
		}
		all = append(all, module{path: dep.Path, version: dep.Version, sum: dep.Sum})
	}
	return all, nil
}

// The part of CycloneDX 1.5 that we write: https://cyclonedx.org/docs/1.5/json/
type bill struct {
	Format       string       `json:"bomFormat"`
	Spec         string       `json:"specVersion"`
	Serial       string       `json:"serialNumber"`
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Timestamp string    `json:"timestamp"`
	Component component `json:"component"`
}

type component struct {
	Type       string         `json:"type"`
	Ref        string         `json:"bom-ref"`
	Name       string         `json:"name"`
	Version    string         `json:"version"`
	Hashes     []digest       `json:"hashes,omitempty"`
	Licenses   []licenseEntry `json:"licenses"`
	PURL       string         `json:"purl"`
	Properties []property     `json:"properties,omitempty"`
}

type digest struct {
	Alg     string `json:"alg"`
	Content string `json:"content"`
}

type licenseEntry struct {
	Expression string `json:"expression"` // SPDX
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependency struct {
	Ref  string   `json:"ref"`
	Deps []string `json:"dependsOn"`
}

// writeBill writes the bill of materials of one binary.
func (r *release) writeBill(t target, found []module) error {
	sum, err := hash(r.binary(t))
	if err != nil {
		return err
	}
	purl := "pkg:generic/sluice@" + strings.ReplaceAll(r.version, "+", "%2B") + "?arch=" + t.arch
	b := bill{
		Format: "CycloneDX", Spec: "1.5", Version: 1,
		Metadata: metadata{Timestamp: r.time.Format(time.RFC3339), Component: component{
			Type: "application", Ref: purl, Name: "sluice", Version: r.version, PURL: purl,
			Hashes: []digest{{"SHA-256", sum}}, Licenses: []licenseEntry{{"Apache-2.0"}},
		}},
	}
	uses := dependency{Ref: purl}
	for _, m := range found {
		license, err := licenseOf(m)
		if err != nil {
			return err
		}
		c := component{Type: "library", Name: m.path, Version: m.version, Licenses: []licenseEntry{{license.expression()}}}
		c.PURL = "pkg:golang/" + m.path + "@" + strings.ReplaceAll(m.version, "+", "%2B")
		c.Ref = c.PURL
		if m.sum != "" {
			c.Properties = []property{{"go:sum", m.sum}}
		}
		b.Components = append(b.Components, c)
		uses.Deps = append(uses.Deps, c.Ref)
	}
	b.Dependencies = []dependency{uses}
	b.Serial = serial(sum + r.version)
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	name := fmt.Sprintf("sluice-%s-linux-%s.cdx.json", r.version, t.arch)
	return os.WriteFile(filepath.Join(r.out, name), append(text, '\n'), 0o644)
}

// serial makes a UUID that depends on nothing but its seed (RFC 9562, version 8).
func serial(seed string) string {
	h := sha256.Sum256([]byte(seed))
	h[6], h[8] = h[6]&0x0f|0x80, h[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}
