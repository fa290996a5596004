/*
 * The sensor on its wire: it waits for a start pulse and answers with the pulses of
 * the data sheet, timed by the simulated clock, so that the firmware's own driver
 * reads them.
 */
#include "board.h"

#include <math.h>
#include <simavr/avr_ioport.h>
#include <simavr/sim_cycle_timers.h>
#include <simavr/sim_time.h>
#include <string.h>

/* In µs; the data sheets of DHT22, AM2301 and AM2302 allow this much. */
enum { START_US = 800 };
struct pulses { int reply, greeting, low, zero, one; };
static const struct pulses typical = {30, 80, 50, 26, 70}, quickest = {20, 75, 48, 22, 68}, slowest = {200, 85, 55, 30, 75};
static const struct pulses *pulses = &typical;
/* A DHT22 may be asked every two seconds. */
#define REST_CYCLES (2ull * FREQUENCY)
/* Levels of an answer: the greeting's two, two per bit, the closing low. */
enum { BITS = 40, LEVELS = 2 + 2 * BITS + 1, SHORT_LEVELS = 2 + 2 * 20 };

static const char *const modes[] = {"ok", "dead", "badsum", "short", "zero", "quick", "slow"};
enum { OK, DEAD, BADSUM, SHORT, ZERO, QUICK, SLOW };

static int mode;
static int humidity = 553, temperature = 214; /* tenths */
static avr_irq_t *wire;
static int pin;
static bool driven;        /* the chip holds the wire */
static uint64_t driven_at; /* chip_time */
static uint8_t frame[5];
static int level; /* of the answer that is under way */
static unsigned long asked, early;
static uint64_t asked_at;

static int level_us(int i)
{
	if (i < 2)
		return pulses->greeting;
	int bit = (i - 2) / 2;
	if (i % 2 == 0)
		return pulses->low;
	return frame[bit / 8] >> (7 - bit % 8) & 1 ? pulses->one : pulses->zero;
}

/* next_level comes at each edge of the answer. The wire is high at its end. */
static avr_cycle_count_t next_level(avr_t *avr, avr_cycle_count_t when, void *param)
{
	(void)param;
	if (level == LEVELS || (mode == SHORT && level == SHORT_LEVELS)) {
		avr_raise_irq(wire, 1);
		return 0;
	}
	avr_raise_irq(wire, level % 2);
	return when + avr_usec_to_cycles(avr, (uint32_t)level_us(level++));
}

static void answer(void)
{
	asked++;
	if (asked_at && chip_time() - asked_at < REST_CYCLES)
		early++;
	asked_at = chip_time();
	if (mode == DEAD)
		return;
	int t = temperature < 0 ? -temperature | 0x8000 : temperature;
	frame[0] = (uint8_t)(humidity >> 8);
	frame[1] = (uint8_t)humidity;
	frame[2] = (uint8_t)(t >> 8);
	frame[3] = (uint8_t)t;
	frame[4] = (uint8_t)(frame[0] + frame[1] + frame[2] + frame[3]);
	if (mode == BADSUM)
		frame[4] ^= 0x55;
	if (mode == ZERO)
		memset(frame, 0, sizeof frame);
	level = 0;
	pulses = mode == QUICK ? &quickest : mode == SLOW ? &slowest : &typical;
	avr_cycle_timer_register_usec(chip, (uint32_t)pulses->reply, next_level, NULL);
}

/* on_direction: a pin that becomes an output holds the wire low, one that becomes an
 * input lets the pull-up raise it. */
static void on_direction(struct avr_irq_t *irq, uint32_t value, void *param)
{
	(void)irq, (void)param;
	bool drives = value >> pin & 1;
	if (drives && !driven)
		driven_at = chip_time();
	if (!drives && driven) {
		avr_raise_irq(wire, 1);
		if (chip_time() - driven_at >= avr_usec_to_cycles(chip, START_US))
			answer();
	}
	driven = drives;
}

void sensor_connect(void)
{
	/* D2 of a Mega, and of the others. */
	bool mega = strcmp(chip->mmcu, "atmega2560") == 0;
	char port = mega ? 'E' : 'D';
	pin = mega ? 4 : 2;
	wire = avr_io_getirq(chip, AVR_IOCTL_IOPORT_GETIRQ(port), pin);
	avr_irq_register_notify(avr_io_getirq(chip, AVR_IOCTL_IOPORT_GETIRQ(port), IOPORT_IRQ_DIRECTION_ALL), on_direction, NULL);
}

void sensor_chip_reset(void)
{
	driven = false;
	if (wire)
		avr_raise_irq(wire, 1);
}

void sensor_set(double h, double t)
{
	humidity = (int)lround(h * 10);
	temperature = (int)lround(t * 10);
}

bool sensor_mode(const char *name)
{
	for (int i = 0; i < (int)(sizeof modes / sizeof *modes); i++)
		if (strcmp(name, modes[i]) == 0) {
			mode = i;
			return true;
		}
	return false;
}

unsigned long sensor_asked(void) { return asked; }
unsigned long sensor_early(void) { return early; }
