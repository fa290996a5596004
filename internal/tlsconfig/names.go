package tlsconfig

import (
	"crypto/tls"
	"maps"
	"slices"
	"strings"
)

// Filebeat's names of protocol versions.
var versionNames = map[string]uint16{
	"TLSv1":   tls.VersionTLS10,
	"TLSv1.0": tls.VersionTLS10,
	"TLSv1.1": tls.VersionTLS11,
	"TLSv1.2": tls.VersionTLS12,
	"TLSv1.3": tls.VersionTLS13,
}

// Filebeat's names of curves, and the hybrid one that Go offers since 1.24.
var curveNames = map[string]tls.CurveID{
	"P-256":          tls.CurveP256,
	"P-384":          tls.CurveP384,
	"P-521":          tls.CurveP521,
	"X25519":         tls.X25519,
	"X25519MLKEM768": tls.X25519MLKEM768,
}

// oddCipherNames are Filebeat's names that don't follow from the standard's;
// the second stands in Filebeat with this misprint.
var oddCipherNames = map[string]uint16{
	"ECDHE-ECDSA-CHACHA20-POLY1305": tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	"ECDHE-RSA-CHACHA20-POLY1205":   tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	"ECDHE-RSA-CHACHA20-POLY1305":   tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	"ECDHE-RSA-3DES-CBC3-SHA":       tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA,
	"RSA-3DES-CBC3-SHA":             tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA,
}

// cipherNames returns all suites that Go knows by Filebeat's names:
// TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 is ECDHE-RSA-AES-128-GCM-SHA256.
func cipherNames() map[string]uint16 {
	names := maps.Clone(oddCipherNames)
	for _, list := range [][]*tls.CipherSuite{tls.CipherSuites(), tls.InsecureCipherSuites()} {
		for _, s := range list {
			name := strings.ReplaceAll(s.Name, "_", "-")
			if strings.Contains(name, "-WITH-") {
				name = strings.Replace(strings.TrimPrefix(name, "TLS-"), "-WITH-", "-", 1)
			}
			names[name] = s.ID
		}
	}
	return names
}

func knownNames[V any](m map[string]V) string {
	return strings.Join(slices.Sorted(maps.Keys(m)), ", ")
}

// parseVersions returns the lowest and the highest version of the list.
func parseVersions(list []string) (lowest, highest uint16, err error) {
	if len(list) == 0 {
		return tls.VersionTLS12, tls.VersionTLS13, nil
	}
	for _, s := range list {
		v, ok := versionNames[s]
		if !ok {
			return 0, 0, fieldErrorf("supported_protocols", "unknown version %q; use %s", s, knownNames(versionNames))
		}
		if lowest == 0 || v < lowest {
			lowest = v
		}
		highest = max(highest, v)
	}
	return lowest, highest, nil
}

func parseCipherSuites(list []string) ([]uint16, error) {
	if len(list) == 0 {
		return nil, nil
	}
	names := cipherNames()
	ids := make([]uint16, 0, len(list))
	for _, s := range list {
		id, ok := names[s]
		if !ok {
			return nil, fieldErrorf("cipher_suites", "unknown suite %q; use %s", s, knownNames(names))
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func parseCurves(list []string) ([]tls.CurveID, error) {
	if len(list) == 0 {
		return nil, nil
	}
	ids := make([]tls.CurveID, 0, len(list))
	for _, s := range list {
		id, ok := curveNames[s]
		if !ok {
			return nil, fieldErrorf("curve_types", "unknown curve %q; use %s", s, knownNames(curveNames))
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// VersionName returns Filebeat's name of a protocol version, such as TLSv1.3.
func VersionName(v uint16) string {
	switch v {
	case tls.VersionTLS10:
		return "TLSv1.0"
	case tls.VersionTLS11:
		return "TLSv1.1"
	case tls.VersionTLS12:
		return "TLSv1.2"
	case tls.VersionTLS13:
		return "TLSv1.3"
	}
	return tls.VersionName(v)
}
