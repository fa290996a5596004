/* Commands on stdin and their answers. */
#include "board.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char text[256];
static size_t length;

static unsigned long long ms(uint64_t cycles) { return cycles / (FREQUENCY / 1000); }

/* stat tells simulated milliseconds since the start, how many of them the program
 * slept, how long the last hang took, resets of every kind, bytes that the UART sent
 * and received, bytes lost because the reader did not read, and how often, and how
 * often too early, the sensor was asked. */
static void stat(void)
{
	struct cable_counts c = cable_counts();
	printf("ok sim_ms=%llu asleep_ms=%llu hung_ms=%llu resets=%lu sent=%lu received=%lu dropped=%lu asked=%lu early=%lu\n",
	       ms(chip_time()), ms(chip_asleep()), ms(chip_hung()), chip_resets(), c.sent, c.received, c.dropped,
	       sensor_asked(), sensor_early());
}

static bool replug(void)
{
	if (cable_plugged())
		return true;
	if (!cable_plug())
		return false;
	chip_power_on();
	return true;
}

/* obey does a command and returns what is wrong with it, or null. */
static const char *obey(const char *command)
{
	double h, t;
	unsigned n;
	uint32_t value;
	char word[16];
	if (sscanf(command, "env %lf %lf", &h, &t) == 2)
		sensor_set(h, t);
	else if (sscanf(command, "dht %15s", word) == 1)
		return sensor_mode(word) ? NULL : "no such mode of the sensor";
	else if (sscanf(command, "supply %u", &n) == 1)
		chip_supply(n);
	else if (sscanf(command, "baud %u", &n) == 1)
		cable_force_baud(n);
	else if (sscanf(command, "poke %i %u", (int *)&n, &value) == 2)
		return chip_poke(n, value) ? NULL : "not an address of RAM, or the program does not sleep";
	else if (strcmp(command, "unplug") == 0)
		cable_unplug();
	else if (strcmp(command, "replug") == 0)
		return replug() ? NULL : strerror(errno);
	else if (strcmp(command, "reset") == 0)
		chip_press_reset();
	else if (strcmp(command, "hang") == 0)
		chip_hang();
	else
		return "no such command";
	return NULL;
}

/* line does one line of stdin and returns false for the last one. */
static bool line(const char *command)
{
	if (strcmp(command, "quit") == 0)
		return false;
	const char *error = NULL;
	if (strcmp(command, "stat") == 0)
		stat();
	else if ((error = obey(command)))
		printf("error %s\n", error);
	else
		puts("ok");
	fflush(stdout);
	return true;
}

bool control_wait(int timeout_ms)
{
	struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
	if (poll(&p, 1, timeout_ms) <= 0)
		return true;
	ssize_t n = read(STDIN_FILENO, text + length, sizeof text - 1 - length);
	if (n <= 0)
		return false;
	length += (size_t)n;
	text[length] = 0;
	char *end;
	while ((end = strchr(text, '\n'))) {
		*end++ = 0;
		if (!line(text))
			return false;
		length = strlen(end);
		memmove(text, end, length + 1);
	}
	/* A line longer than any command. */
	if (length == sizeof text - 1)
		length = 0;
	return true;
}
