package avr

import (
	"embed"
	"path/filepath"
	"sync"

	"sluice/firmware/sketch"
)

// sources holds all that make needs. Embedding it makes the test cache see a
// change of the sketch or the board.
//
//go:embed Makefile sensor board tests
var sources embed.FS

// Packages are the Debian packages with the tools that building and testing
// take.
const Packages = "gcc-avr avr-libc arduino-core-avr libsimavr-dev libelf-dev gcc g++ make"

var tools = sketch.Tools{
	Programs: []string{"avr-gcc", "avr-g++", "gcc", "g++", "make"},
	Files: []string{
		"/usr/lib/avr/include/avr/io.h",
		"/usr/share/arduino/hardware/arduino/avr/cores/arduino/Arduino.h",
		"/usr/include/simavr/sim_avr.h",
		"/usr/include/libelf.h",
	},
	Packages: Packages,
}

// Missing names the tools that this machine lacks, or is nil. They are in
// Packages.
func Missing() []string { return tools.Missing() }

// Settings are settings of sensor.ino, by name, as C++ source: "PERIOD_MS":
// "2000", "DEVICE_ID": `"barn"`. The others keep the sketch's values.
type Settings map[string]string

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
	header := sketch.Defines(s)
	name := sketch.Name(header)
	building.Lock()
	defer building.Unlock()
	if err := sketch.Unpack(sources, dir); err != nil {
		return Firmware{}, err
	}
	if err := sketch.WriteChanged(filepath.Join(dir, name+".h"), []byte(header)); err != nil {
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
	return tools.Make(dir, append([]string{"BUILD=build", "WERROR=-Werror"}, args...)...)
}
