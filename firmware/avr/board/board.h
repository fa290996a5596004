/*
 * avrboard: an Arduino with a DHT22 on D2, plugged into this computer, without any
 * of the three. simavr runs the firmware instruction by instruction; its UART is
 * a pseudo terminal behind a symbolic link, as a USB adapter's is behind
 * /dev/serial/by-id; the sensor answers on the pin with the pulses of its data
 * sheet.
 *
 *   avrboard -f sensor.elf -l /path/of/link [-m atmega328p] [-x speed] [-n] [-b]
 *
 * -x is how much faster than the real board it may run, 0 for as fast as it can
 * (default 1). -n: opening the port does not reset the chip, as it does on a Uno.
 * -b: a boot loader clears the flags that tell why the chip started.
 *
 * Commands come on stdin, one per line; each is answered on stdout by one line that
 * begins with "ok" or "error". The end of stdin ends the program.
 *
 *   env H T        what the sensor measures: percent, degrees Celsius
 *   dht MODE       ok, dead (silent), badsum, short (breaks off), zero,
 *                  quick and slow (pulses at the ends of the data sheet)
 *   supply MV      the board's supply
 *   unplug         the port vanishes and the power goes
 *   replug         both come back: another terminal behind the same link
 *   reset          the reset button
 *   hang           the program stops where it is; interrupts go on
 *   baud N         the chip's clock is so wrong that it speaks N; 0: right again
 *   poke A V       writes 32 bits to address A of RAM while the program sleeps
 *   stat           numbers: see control.c
 *   quit
 */
#pragma once

#include <simavr/sim_avr.h>
#include <stdbool.h>
#include <stdint.h>

#define FREQUENCY 16000000u

/* chip.c: the processor. */
extern avr_t *chip;
bool chip_load(const char *elf, const char *mcu);
/* chip_time is in cycles since the program's start and goes on across resets. */
uint64_t chip_time(void);
/* chip_boot_loader lets one hide why the chip started, as Optiboot 4 does. */
void chip_boot_loader(void);
void chip_run_until(uint64_t time);
void chip_power_on(void);
void chip_press_reset(void);
void chip_hang(void);
void chip_supply(unsigned millivolts);
bool chip_poke(unsigned address, uint32_t value);
/* chip_baud is what the UART is set to, and 0 before it is set up. */
double chip_baud(void);
uint64_t chip_asleep(void);
/* chip_hung is how long the last hang took, up to the reset that ended it. */
uint64_t chip_hung(void);
unsigned long chip_resets(void);

/* wire.c: what a UART at one rate hears of a UART at another. */
struct wire {
	double tx_bit, rx_bit; /* cycles per bit of sender and receiver */
	void (*deliver)(uint8_t byte);
	double told; /* up to when the level is known */
	int level;
	bool receiving;
	int sampled;
	unsigned shift;
	double next_sample;
};
void wire_clear(struct wire *w, double now);
/* wire_byte sends a byte at the given time, or after the one before. */
void wire_byte(struct wire *w, uint8_t byte, double now);
/* wire_idle says that nothing has been sent up to now. */
void wire_idle(struct wire *w, double now);

/* cable.c: UART, pseudo terminal and link. */
void cable_connect(const char *link, bool reset_on_open);
bool cable_plug(void);
void cable_unplug(void);
bool cable_plugged(void);
/* cable_tick moves bytes; it comes every simulated millisecond. */
void cable_tick(void);
/* cable_chip_reset forgets what was under way. */
void cable_chip_reset(void);
/* cable_force_baud lets the chip speak at another rate than it believes. */
void cable_force_baud(unsigned baud);
struct cable_counts {
	unsigned long sent, received, dropped;
};
struct cable_counts cable_counts(void);

/* dht22.c: the sensor. */
void sensor_connect(void);
void sensor_chip_reset(void);
void sensor_set(double humidity, double temperature);
bool sensor_mode(const char *mode);
/* sensor_asked and sensor_early count start pulses, and those that came sooner
 * than the sensor allows. */
unsigned long sensor_asked(void);
unsigned long sensor_early(void);

/* control.c: commands. control_wait obeys those that come within the given
 * milliseconds and returns false when it is time to end. */
bool control_wait(int timeout_ms);
