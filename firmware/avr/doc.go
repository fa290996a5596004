// Package avr builds the Arduino sketch of the folder sensor and runs it on a
// simulated board, for tests. The sketch itself, its wiring, lines and commands are
// explained in README.md beside this file.
//
// The sketch reads a DHT22 and writes what it measures, and how the board is, to
// the serial port. It is checked in two ways, neither of which needs hardware:
//
//   - Its core (lines, checksums, commands, the DHT22's decoder, the schedule)
//     passes the unit tests of the folder tests here, plain and under sanitisers
//     (make check).
//   - The whole firmware, built by the chip's compiler with the Arduino core, runs
//     on the board of the folder board: simavr executes it, its UART is a pseudo
//     terminal, and a DHT22 answers on its pin. Whatever reads serial ports can
//     read it, at the baud rate that the sketch has, for any other gives garbage.
//
// Build and Start give Go tests that board:
//
//	firmware, err := avr.Build(dir, avr.Settings{"PERIOD_MS": "2000"})
//	board, err := avr.Start(firmware, avr.Options{Port: filepath.Join(dir, "ttyUSB0")})
//	err = board.Env(55.3, -3.4)
//	…                                  // open board.Port() and read
//	err = board.Unplug()
//	err = board.Replug()
//	err = board.Stop()
//
// Every method of a Board returns when the board has done it. The tools come from
// the Debian packages of Packages; Missing says which are not there.
package avr
