package processor

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// readHost returns the fields of host as far as they are known, and why others
// are not.
func readHost(netInfo bool) (map[string]any, error) {
	host := map[string]any{"containerized": containerized(), "os": readOS()}
	name, err := os.Hostname()
	if err == nil {
		host["hostname"], host["name"] = strings.ToLower(name), strings.ToLower(name)
	}
	var uname unix.Utsname
	if unix.Uname(&uname) == nil {
		host["architecture"] = unix.ByteSliceToString(uname.Machine[:])
		host["os"].(map[string]any)["kernel"] = unix.ByteSliceToString(uname.Release[:])
	}
	for _, path := range []string{"/etc/machine-id", "/var/lib/dbus/machine-id"} {
		if id, err := os.ReadFile(path); err == nil {
			host["id"] = strings.TrimSpace(string(id))
			break
		}
	}
	if !netInfo {
		return host, err
	}
	ips, macs, netErr := addresses()
	if len(ips) > 0 {
		host["ip"] = ips
	}
	if len(macs) > 0 {
		host["mac"] = macs
	}
	return host, errors.Join(err, netErr)
}

// addresses lists the IP and hardware addresses of all interfaces but the
// loopback.
func addresses() (ips, macs []any, err error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, nil, fmt.Errorf("list the network interfaces: %w", err)
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback != 0 {
			continue
		}
		if mac := macText(i.HardwareAddr); mac != "" && !slices.Contains(macs, any(mac)) {
			macs = append(macs, mac)
		}
		all, err := i.Addrs()
		if err != nil {
			continue // it is gone since
		}
		for _, a := range all {
			if n, ok := a.(*net.IPNet); ok {
				ips = append(ips, n.IP.String())
			}
		}
	}
	return ips, macs, nil
}

// macText writes a hardware address as the Elastic Common Schema wants it.
func macText(a net.HardwareAddr) string {
	return strings.ToUpper(strings.ReplaceAll(a.String(), ":", "-"))
}

// containerized says whether the program runs in a container.
func containerized() bool {
	if _, err := os.Stat("/.dockerenv"); err == nil {
		return true
	}
	groups, err := os.ReadFile("/proc/1/cgroup")
	if err != nil {
		return false
	}
	for _, mark := range []string{"docker", "kubepods", "containerd", "lxc", "libpod"} {
		if bytes.Contains(groups, []byte(mark)) {
			return true
		}
	}
	return false
}

// readOS returns the fields of host.os.
func readOS() map[string]any {
	fields := map[string]any{"type": runtime.GOOS}
	for _, path := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		if text, err := os.ReadFile(path); err == nil {
			describeOS(fields, parseRelease(text))
			break
		}
	}
	return fields
}

// families are the groups of distributions.
var families = map[string][]string{
	"redhat": {"redhat", "rhel", "fedora", "centos", "scientific", "oraclelinux", "ol", "amazon", "amzn", "almalinux", "rocky"},
	"debian": {"debian", "ubuntu", "linuxmint", "raspbian"},
	"suse":   {"suse", "sles", "sled", "opensuse", "opensuse-leap", "opensuse-tumbleweed"},
	"arch":   {"arch", "manjaro", "archarm"},
	"alpine": {"alpine"},
}

func familyOf(ids ...string) string {
	for _, id := range ids {
		for family, members := range families {
			if slices.Contains(members, id) {
				return family
			}
		}
	}
	return ""
}

// describeOS fills in what os-release says.
func describeOS(fields map[string]any, release map[string]string) {
	set := func(name, text string) {
		if text != "" {
			fields[name] = text
		}
	}
	set("platform", release["ID"])
	set("name", release["NAME"])
	version := release["VERSION"]
	if version == "" {
		version = release["VERSION_ID"]
	}
	set("version", version)
	set("family", familyOf(append([]string{release["ID"]}, strings.Fields(release["ID_LIKE"])...)...))
	codename := release["VERSION_CODENAME"]
	if _, inner, ok := strings.Cut(version, "("); ok && codename == "" {
		codename, _, _ = strings.Cut(inner, ")")
	}
	set("codename", codename)
	set("build", release["BUILD_ID"])
}

// parseRelease reads the lines NAME=value of os-release.
func parseRelease(text []byte) map[string]string {
	release := make(map[string]string)
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		name, value, ok := strings.Cut(strings.TrimSpace(lines.Text()), "=")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		if plain, err := strconv.Unquote(value); err == nil {
			value = plain
		}
		release[name] = strings.Trim(value, `'"`)
	}
	return release
}
