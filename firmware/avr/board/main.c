/* Options, and the loop that keeps simulated and real time together. */
#define _GNU_SOURCE
#include "board.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TICK (FREQUENCY / 1000)
/* How far behind a slow machine may be before that time is given up, in seconds. */
#define LAG 0.2
/* How far ahead the chip may run before it waits. */
#define AHEAD 0.002

static double speed = 1;
static double wall_start, chip_start;

static double wall(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double simulated(void) { return (double)chip_time() / FREQUENCY; }

static void start_clock(void)
{
	wall_start = wall();
	chip_start = simulated();
}

/* pause_ms is how long to wait until real time has caught up. */
static int pause_ms(void)
{
	if (speed <= 0)
		return 0;
	double ahead = (simulated() - chip_start) / speed - (wall() - wall_start);
	if (ahead < -LAG)
		start_clock();
	return ahead > AHEAD ? (int)(ahead * 1000) : 0;
}

static void run(void)
{
	start_clock();
	for (;;) {
		bool powered = cable_plugged();
		if (powered) {
			chip_run_until(chip_time() + TICK);
			cable_tick();
		}
		if (!control_wait(powered ? pause_ms() : -1))
			return;
		if (!powered)
			start_clock();
	}
}

int main(int argc, char **argv)
{
	const char *elf = NULL, *link = NULL, *mcu = "atmega328p";
	bool reset_on_open = true;
	for (int o; (o = getopt(argc, argv, "f:l:m:x:nb")) != -1;)
		switch (o) {
		case 'f': elf = optarg; break;
		case 'l': link = optarg; break;
		case 'm': mcu = optarg; break;
		case 'x': speed = atof(optarg); break;
		case 'n': reset_on_open = false; break;
		case 'b': chip_boot_loader(); break;
		default: return 2;
		}
	if (!elf || !link) {
		fprintf(stderr, "usage: avrboard -f FIRMWARE.elf -l LINK [-m MCU] [-x SPEED] [-n] [-b]\n");
		return 2;
	}
	if (!chip_load(elf, mcu)) {
		fprintf(stderr, "avrboard: %s is no firmware for %s\n", elf, mcu);
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	/* A port that whoever started this has open would stay open as long as we run. */
	close_range(STDERR_FILENO + 1, ~0u, 0);
	cable_connect(link, reset_on_open);
	sensor_connect();
	if (!cable_plug()) {
		fprintf(stderr, "avrboard: %s: %s\n", link, strerror(errno));
		return 1;
	}
	chip_power_on();
	puts("ok");
	fflush(stdout);
	run();
	cable_unplug();
	return 0;
}
