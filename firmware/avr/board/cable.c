/*
 * UART, pseudo terminal and link. A terminal transports bytes whatever the rate that
 * the other side has set, but it knows that rate, so the wires between can do to
 * the bytes what a real line would.
 */
#define _GNU_SOURCE
#include "board.h"

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <simavr/avr_uart.h>
#include <simavr/sim_cycle_timers.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEFAULT_BAUD 115200.0
/* How long a reader may take to set the port up that it has opened. */
#define SETUP_CYCLES (1ull * FREQUENCY)

static const char *link_path;
static bool reset_on_open;
static int terminal = -1;
static bool open_there; /* somebody has the port open and set up */
static bool seen_open;  /* somebody has it open, at the last look */
static uint64_t open_since;
static struct termios2 unset; /* what it is set to before anybody has */
static double host_baud = DEFAULT_BAUD;
static unsigned forced_baud;
static struct cable_counts counts;

static avr_irq_t *uart_input;
static void to_host(uint8_t byte), to_chip(uint8_t byte);
static struct wire from_chip = {.deliver = to_host}, from_host = {.deliver = to_chip};

/* Bytes on their way: out is written once per tick, in is heard at the pace of the
 * line. */
static uint8_t out[4096], in[256];
static size_t out_length, in_length, in_next;

static void set_rates(void)
{
	double chip_rate = forced_baud ? forced_baud : chip_baud();
	if (chip_rate <= 0)
		chip_rate = DEFAULT_BAUD;
	from_chip.tx_bit = from_host.rx_bit = FREQUENCY / chip_rate;
	from_chip.rx_bit = from_host.tx_bit = FREQUENCY / host_baud;
}

/* What an adapter receives while its port is closed is nobody's. */
static void to_host(uint8_t byte)
{
	if (!open_there)
		return;
	if (out_length == sizeof out)
		counts.dropped++;
	else
		out[out_length++] = byte;
}

static void to_chip(uint8_t byte)
{
	counts.received++;
	avr_raise_irq(uart_input, byte);
}

static void on_uart_output(struct avr_irq_t *irq, uint32_t value, void *param)
{
	(void)irq, (void)param;
	counts.sent++;
	set_rates();
	wire_byte(&from_chip, (uint8_t)value, (double)chip_time());
}

/* next_byte comes when the line is free for one. */
static avr_cycle_count_t next_byte(avr_t *avr, avr_cycle_count_t when, void *param)
{
	(void)avr, (void)param;
	if (in_next == in_length)
		return 0;
	set_rates();
	wire_byte(&from_host, in[in_next++], (double)chip_time());
	return when + (avr_cycle_count_t)(10 * from_host.tx_bit);
}

void cable_connect(const char *link, bool reset)
{
	link_path = link;
	reset_on_open = reset;
	uint32_t flags = 0;
	avr_ioctl(chip, AVR_IOCTL_UART_GET_FLAGS('0'), &flags);
	flags &= ~(uint32_t)(AVR_UART_FLAG_STDIO | AVR_UART_FLAG_POLL_SLEEP);
	avr_ioctl(chip, AVR_IOCTL_UART_SET_FLAGS('0'), &flags);
	uart_input = avr_io_getirq(chip, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_INPUT);
	avr_irq_register_notify(avr_io_getirq(chip, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUTPUT), on_uart_output, NULL);
}

/* A terminal that hands over bytes as they are, set to what no reader sets it to. It
 * is opened here once, so that nobody having it open can be told from nobody having
 * had it open yet. */
static bool prepare(const char *name)
{
	struct termios2 t;
	int fd = open(name, O_RDWR | O_NOCTTY);
	if (fd < 0)
		return false;
	bool ok = ioctl(fd, TCGETS2, &t) == 0;
	t.c_iflag = t.c_oflag = t.c_lflag = 0;
	t.c_cflag = CS5 | CREAD | CLOCAL | B9600;
	ok = ok && ioctl(fd, TCSETS2, &t) == 0 && ioctl(fd, TCGETS2, &unset) == 0;
	close(fd);
	return ok;
}

bool cable_plug(void)
{
	char name[64], fresh[4096];
	if (terminal >= 0)
		return true;
	terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (terminal < 0 || grantpt(terminal) || unlockpt(terminal) || ptsname_r(terminal, name, sizeof name) || !prepare(name))
		return false;
	snprintf(fresh, sizeof fresh, "%s.new", link_path);
	unlink(fresh);
	return symlink(name, fresh) == 0 && rename(fresh, link_path) == 0;
}

void cable_unplug(void)
{
	if (terminal < 0)
		return;
	unlink(link_path);
	close(terminal);
	terminal = -1;
	open_there = seen_open = false;
	cable_chip_reset();
}

bool cable_plugged(void) { return terminal >= 0; }

void cable_chip_reset(void)
{
	in_length = in_next = 0;
	wire_clear(&from_chip, (double)chip_time());
	wire_clear(&from_host, (double)chip_time());
}

void cable_force_baud(unsigned baud) { forced_baud = baud; }
struct cable_counts cable_counts(void) { return counts; }

static void write_out(void)
{
	ssize_t n = out_length ? write(terminal, out, out_length) : 0;
	/* The reader does not read: a driver's buffer is full, too, then. */
	if (n < (ssize_t)out_length)
		counts.dropped += out_length - (size_t)(n < 0 ? 0 : n);
	out_length = 0;
}

static void read_in(void)
{
	if (in_next < in_length)
		return;
	ssize_t n = read(terminal, in, sizeof in);
	in_next = 0;
	in_length = n > 0 ? (size_t)n : 0;
	if (n > 0)
		avr_cycle_timer_register(chip, 1, next_byte, NULL);
}

/* What was not read when the port was closed is lost, as with a real port. */
static void forget_unread(void)
{
	out_length = 0;
	int other = ioctl(terminal, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	if (other >= 0) {
		ioctl(other, TCFLSH, TCIFLUSH);
		close(other);
	}
}

/* look tells whether the port is open on the other side, and at which rate. Between
 * opening a port and setting it up a reader would hear garbage, more of it the faster
 * the board runs: for so long it is taken for closed. */
static void look(void)
{
	struct pollfd p = {.fd = terminal, .events = POLLIN};
	struct termios2 t;
	bool was = open_there, seen = poll(&p, 1, 0) >= 0 && !(p.revents & POLLHUP);
	if (seen && !seen_open)
		open_since = chip_time();
	if (!seen && seen_open)
		forget_unread();
	seen_open = seen;
	open_there = seen && ioctl(terminal, TCGETS2, &t) == 0 &&
		     (memcmp(&t, &unset, sizeof t) != 0 || chip_time() - open_since > SETUP_CYCLES);
	if (open_there && t.c_ospeed > 0)
		host_baud = t.c_ospeed;
	if (open_there && !was && reset_on_open)
		chip_press_reset();
}

void cable_tick(void)
{
	if (terminal < 0)
		return;
	look();
	set_rates();
	wire_idle(&from_chip, (double)chip_time());
	write_out();
	if (open_there)
		read_in();
}
