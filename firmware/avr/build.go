package avr

import (
	"bytes"
	"embed"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// sources holds all that make needs. Embedding it makes the test cache see a
// change of the sketch or the board.
//
//go:embed Makefile sensor board tests
var sources embed.FS

// Packages are the Debian packages with the tools that building and testing
// take.
const Packages = "gcc-avr avr-libc arduino-core-avr libsimavr-dev libelf-dev gcc g++ make"

// Missing names the tools that this machine lacks, or is nil. They are in
// Packages.
func Missing() []string {
	var missing []string
	for _, name := range []string{"avr-gcc", "avr-g++", "gcc", "g++", "make"} {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, name)
		}
	}
	for _, file := range []string{
		"/usr/lib/avr/include/avr/io.h",
		"/usr/share/arduino/hardware/arduino/avr/cores/arduino/Arduino.h",
		"/usr/include/simavr/sim_avr.h",
		"/usr/include/libelf.h",
	} {
		if _, err := os.Stat(file); err != nil {
			missing = append(missing, file)
		}
	}
	return missing
}

// Settings are settings of sensor.ino, by name, as C++ source: "PERIOD_MS":
// "2000", "DEVICE_ID": `"barn"`. The others keep the sketch's values.
type Settings map[string]string

// header is the text of a header with the settings.
func (s Settings) header() string {
	var names []string
	for name := range s {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "#define %s %s\n", name, s[name])
	}
	return b.String()
}

// Kinds of boards.
const (
	Uno  = "uno"
	Mega = "mega"
)

// chips are the simulator's names for what is on the boards.
var chips = map[string]string{Uno: "atmega328p", Mega: "atmega2560"}

// Firmware is what Build has made.
type Firmware struct {
	// ELF is the file with the sketch for the chip, Runner the program of the
	// simulated board.
	ELF, Runner string

	chip string
}

// building keeps two builds from writing the same objects.
var building sync.Mutex

// Build builds the sketch for a Uno, and the board. All files are below dir; a
// second build there compiles the sketch only. Any warning of a compiler is an
// error.
func Build(dir string, s Settings) (Firmware, error) { return BuildFor(dir, Uno, s) }

// BuildFor builds the sketch for a Uno or a Mega.
func BuildFor(dir, board string, s Settings) (Firmware, error) {
	header := s.header()
	sum := fnv.New64a()
	fmt.Fprint(sum, header)
	name := "sketch-" + strconv.FormatUint(sum.Sum64(), 36)
	building.Lock()
	defer building.Unlock()
	if err := unpack(dir); err != nil {
		return Firmware{}, err
	}
	if err := writeChanged(filepath.Join(dir, name+".h"), []byte(header)); err != nil {
		return Firmware{}, err
	}
	if _, err := runMake(dir, "all", "board", "BOARD="+board, "SETTINGS="+name+".h", "NAME="+name); err != nil {
		return Firmware{}, err
	}
	return Firmware{
		ELF:    filepath.Join(dir, "build", board, name+".elf"),
		Runner: filepath.Join(dir, "build", "avrboard"),
		chip:   chips[board],
	}, nil
}

// runMake runs make in an unpacked folder and returns what it printed.
func runMake(dir string, args ...string) (string, error) {
	cmd := exec.Command("make", append([]string{"-j2", "-C", dir, "BUILD=build", "WERROR=-Werror"}, args...)...)
	// Settings of a make that runs the tests are not for this one.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS") })
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("make %s: %w; install %s\n%s", strings.Join(args, " "), err, Packages, out)
	}
	return string(out), nil
}

// unpack writes the sources below dir. Files that are there already keep their
// times, for make.
func unpack(dir string) error {
	return fs.WalkDir(sources, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := sources.ReadFile(path)
		if err != nil {
			return err
		}
		return writeChanged(filepath.Join(dir, filepath.FromSlash(path)), text)
	})
}

func writeChanged(path string, text []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, text) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}
