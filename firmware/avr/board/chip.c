/* The processor: power, reset, and the faults that happen to it. */
#include "board.h"

#include <simavr/sim_elf.h>
#include <simavr/sim_regbit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* rjmp to itself. */
#define ENDLESS_LOW 0xff
#define ENDLESS_HIGH 0xcf

avr_t *chip;

static void (*core_reset)(avr_t *avr);
static uint64_t earlier; /* cycles before the last reset */
static uint64_t asleep;
static unsigned long resets;
static bool boot_loader, fresh; /* fresh: no instruction since a reset */
static bool hanging;
static unsigned hang_at;
static uint64_t hang_since, hung;
static uint8_t hang_saved[2];

/* Errors of the simulator go to stderr, everything else nowhere. */
static void log_errors(avr_t *avr, const int level, const char *format, va_list args)
{
	(void)avr;
	if (level <= LOG_ERROR)
		vfprintf(stderr, format, args);
}

/* The loop in main.c keeps the time, so sleeping costs nothing. */
static void no_sleep(avr_t *avr, avr_cycle_count_t cycles)
{
	(void)avr;
	asleep += cycles;
}

static void unhang(void)
{
	if (!hanging)
		return;
	memcpy(chip->flash + hang_at, hang_saved, sizeof hang_saved);
	hanging = false;
	hung = chip_time() - hang_since;
}

/* Comes with every reset, also with the watchdog's, which simavr does by itself. */
static void on_reset(avr_t *avr)
{
	earlier += avr->cycle;
	avr->cycle = 0;
	resets++;
	fresh = true;
	unhang();
	if (core_reset)
		core_reset(avr);
	cable_chip_reset();
	sensor_chip_reset();
}

void chip_boot_loader(void) { boot_loader = true; }

bool chip_load(const char *elf, const char *mcu)
{
	elf_firmware_t firmware;
	memset(&firmware, 0, sizeof firmware);
	avr_global_logger_set(log_errors);
	if (elf_read_firmware(elf, &firmware) != 0 || firmware.flashsize == 0)
		return false;
	snprintf(firmware.mmcu, sizeof firmware.mmcu, "%s", mcu);
	firmware.frequency = FREQUENCY;
	chip = avr_make_mcu_by_name(firmware.mmcu);
	if (!chip)
		return false;
	avr_init(chip);
	avr_load_firmware(chip, &firmware);
	chip->sleep = no_sleep;
	chip_supply(5000);
	core_reset = chip->reset;
	chip->reset = on_reset;
	return true;
}

uint64_t chip_time(void) { return earlier + chip->cycle; }

void chip_run_until(uint64_t time)
{
	while (chip_time() < time) {
		if (fresh && boot_loader)
			avr_core_watch_write(chip, chip->reset_flags.porf.reg, 0);
		fresh = false;
		int state = avr_run(chip);
		if (state == cpu_Crashed || state == cpu_Done) {
			fprintf(stderr, "avrboard: the program crashed at %#x\n", chip->pc);
			chip_press_reset();
		}
	}
}

/* RAM holds anything after power-on. */
void chip_power_on(void)
{
	uint32_t x = 2463534242u;
	for (unsigned i = chip->ioend + 1u; i <= chip->ramend; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		chip->data[i] = (uint8_t)x;
	}
	avr_reset(chip);
	avr_regbit_set(chip, chip->reset_flags.porf);
}

void chip_press_reset(void)
{
	avr_reset(chip);
	avr_regbit_set(chip, chip->reset_flags.extrf);
}

void chip_hang(void)
{
	unhang();
	hang_at = chip->pc;
	memcpy(hang_saved, chip->flash + hang_at, sizeof hang_saved);
	chip->flash[hang_at] = ENDLESS_LOW;
	chip->flash[hang_at + 1] = ENDLESS_HIGH;
	hanging = true;
	hang_since = chip_time();
}

void chip_supply(unsigned millivolts)
{
	chip->vcc = chip->avcc = chip->aref = millivolts;
}

bool chip_poke(unsigned address, uint32_t value)
{
	/* Data addresses of an ELF file lie above the flash. */
	address &= 0xffff;
	if (address <= chip->ioend || address + 3 > chip->ramend)
		return false;
	/* The program must not be between two bytes of the number. */
	uint64_t limit = chip_time() + FREQUENCY / 10;
	while (chip->state != cpu_Sleeping && chip_time() < limit)
		avr_run(chip);
	if (chip->state != cpu_Sleeping)
		return false;
	memcpy(chip->data + address, &value, sizeof value);
	return true;
}

double chip_baud(void)
{
	/* UCSR0A, UCSR0B and UBRR0 lie at the same place in every chip we run. */
	const uint8_t *data = chip->data;
	unsigned divisor = data[0xc4] | (data[0xc5] & 15u) << 8;
	bool transmits = data[0xc1] & 8, twice = data[0xc0] & 2;
	return transmits ? FREQUENCY / ((twice ? 8.0 : 16.0) * (divisor + 1)) : 0;
}

uint64_t chip_asleep(void) { return asleep; }
uint64_t chip_hung(void) { return hung; }
unsigned long chip_resets(void) { return resets; }
