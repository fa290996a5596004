package recorder

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sluice/internal/order"
)

// Port is a serial port of this machine.
type Port struct {
	// Device is its file, such as /dev/ttyUSB0.
	Device string `json:"device"`
	// Links are the names that stay the same: by-id ones first, then by-path.
	Links []string `json:"links,omitempty"`
	// Vendor and Product are a USB device's ids, four hexadecimal digits each;
	// empty: it is none. Serial is its serial number, if it has one.
	Vendor  string `json:"vendor,omitempty"`
	Product string `json:"product,omitempty"`
	Serial  string `json:"serial,omitempty"`
	// Name is what the device calls itself.
	Name string `json:"name,omitempty"`
	// Driver is the kernel's.
	Driver string `json:"driver,omitempty"`
	// Write is what the option port should be to find it again.
	Write string `json:"port"`
}

// ID is "usb:VENDOR:PRODUCT:SERIAL", empty for what is no USB device.
func (p *Port) ID() string {
	if p.Vendor == "" {
		return ""
	}
	id := usbPrefix + p.Vendor + ":" + p.Product
	if p.Serial != "" {
		id += ":" + p.Serial
	}
	return id
}

// Ports lists the serial ports of this machine, by what the kernel tells about
// them: none is opened, which would let boards start anew.
func Ports() ([]Port, error) { return machine.ports() }

// places are where the kernel shows devices.
type places struct{ dev, sys string }

var machine = places{"/dev", "/sys"}

// ports lists the serial ports, sorted by device.
func (m places) ports() ([]Port, error) {
	class := filepath.Join(m.sys, "class/tty")
	entries, err := os.ReadDir(class)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	links := m.links()
	var list []Port
	for _, e := range entries {
		at, err := filepath.EvalSymlinks(filepath.Join(class, e.Name(), "device"))
		if err != nil || readLine(filepath.Join(class, e.Name(), "type")) == "0" {
			continue // a terminal, or a place where no port is
		}
		p := Port{Device: filepath.Join(m.dev, e.Name())}
		p.Links = links[p.Device]
		if driver, err := os.Readlink(filepath.Join(at, "driver")); err == nil {
			p.Driver = filepath.Base(driver)
		}
		p.describe(at)
		list = append(list, p)
	}
	order.By(list, func(a, b Port) int { return cmp.Compare(a.Device, b.Device) })
	for i := range list {
		list[i].Write = list[i].advice(list)
	}
	return list, nil
}

// describe reads a USB device's ids: they are in a folder above the port's.
func (p *Port) describe(at string) {
	for range 4 {
		if vendor := readLine(filepath.Join(at, "idVendor")); vendor != "" {
			p.Vendor, p.Product = vendor, readLine(filepath.Join(at, "idProduct"))
			p.Serial = readLine(filepath.Join(at, "serial"))
			p.Name = strings.TrimSpace(readLine(filepath.Join(at, "manufacturer")) + " " + readLine(filepath.Join(at, "product")))
			return
		}
		at = filepath.Dir(at)
	}
}

// links are the stable names of devices, made by udev.
func (m places) links() map[string][]string {
	all := make(map[string][]string)
	for _, kind := range []string{"by-id", "by-path"} {
		dir := filepath.Join(m.dev, "serial", kind)
		entries, _ := os.ReadDir(dir) // there is none without udev
		for _, e := range entries {
			link := filepath.Join(dir, e.Name())
			if device, err := filepath.EvalSymlinks(link); err == nil {
				all[device] = append(all[device], link)
			}
		}
	}
	return all
}

// advice is what to write into port: what says which device it is, else where
// it is plugged in, else its name of today.
func (p *Port) advice(all []Port) string {
	twin := false // another has the same ids
	for i := range all {
		twin = twin || all[i].Device != p.Device && all[i].ID() == p.ID()
	}
	for _, link := range p.Links {
		// Without a serial number the link of two devices is the same.
		if p.Serial != "" || !twin || !strings.Contains(link, "/by-id/") {
			return link
		}
	}
	if p.Vendor != "" && !twin {
		return p.ID()
	}
	return p.Device
}

const usbPrefix = "usb:"

// usbID is what a port of the form usb:… must match; empty parts match all.
type usbID struct{ vendor, product, serial string }

// parsePort reads the option port; nil: it is a path.
func parsePort(text string) (*usbID, error) {
	rest, isUSB := strings.CutPrefix(text, usbPrefix)
	if !isUSB {
		if !strings.HasPrefix(text, "/") || strings.ContainsRune(text, 0) {
			return nil, fmt.Errorf("%q is neither the path of a device, such as /dev/ttyUSB0, nor usb:VENDOR:PRODUCT:SERIAL", text)
		}
		return nil, nil
	}
	parts := strings.SplitN(rest, ":", 3)
	if len(parts) < 2 {
		return nil, fmt.Errorf("%q: write usb:VENDOR:PRODUCT, usb:VENDOR:PRODUCT:SERIAL or usb:::SERIAL", text)
	}
	id := &usbID{vendor: strings.ToLower(parts[0]), product: strings.ToLower(parts[1])}
	if len(parts) == 3 {
		id.serial = parts[2]
	}
	for _, part := range []string{id.vendor, id.product} {
		if part != "" && !isUSBNumber(part) {
			return nil, fmt.Errorf("%q: a vendor or product is four hexadecimal digits, such as 0403", text)
		}
	}
	if id.serial == "" && (id.vendor == "" || id.product == "") {
		return nil, fmt.Errorf("%q: vendor and product are needed, or a serial number", text)
	}
	return id, nil
}

func isUSBNumber(s string) bool {
	for i := range len(s) {
		if hexDigit(s[i]) > 15 {
			return false
		}
	}
	return len(s) == 4
}

func (id *usbID) matches(p *Port) bool {
	return p.Vendor != "" && (id.vendor == "" || id.vendor == p.Vendor) &&
		(id.product == "" || id.product == p.Product) && (id.serial == "" || id.serial == p.Serial)
}

// resolve finds the device that the option port means now.
func (m places) resolve(text string) (device string, err error) {
	id, err := parsePort(text)
	if err != nil {
		return "", err
	}
	if id == nil {
		device, err := filepath.EvalSymlinks(text)
		if err != nil {
			return "", explainOpen(err)
		}
		return device, nil
	}
	all, err := m.ports()
	if err != nil {
		return "", fmt.Errorf("look for USB devices: %w", err)
	}
	all = slices.DeleteFunc(all, func(p Port) bool { return !id.matches(&p) })
	switch len(all) {
	case 0:
		return "", errAbsent
	case 1:
		return all[0].Device, nil
	}
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].Write + " (" + all[i].ID() + ")"
	}
	return "", fmt.Errorf("%d devices have these ids; set port to one of %s", len(all), strings.Join(names, ", "))
}
