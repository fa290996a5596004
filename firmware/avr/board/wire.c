/*
 * The level on a wire over time, and a UART that samples it. With equal rates each
 * byte arrives as it was sent; with others comes the garbage that a wrong baud
 * rate really gives.
 */
#include "board.h"

void wire_clear(struct wire *w, double now)
{
	w->told = now;
	w->level = 1;
	w->receiving = false;
}

/* hold says that the level stays from the time told so far up to the given one. */
static void hold(struct wire *w, int level, double until)
{
	if (!w->receiving && w->level == 1 && level == 0) {
		w->receiving = true;
		w->sampled = 0;
		w->shift = 0;
		w->next_sample = w->told + 1.5 * w->rx_bit;
	}
	while (w->receiving && w->next_sample < until) {
		if (w->sampled < 8) {
			w->shift |= (unsigned)level << w->sampled++;
			w->next_sample += w->rx_bit;
		} else {
			/* The stop bit. A wrong one is a framing error, whose byte
			 * Linux hands over nevertheless. */
			w->receiving = false;
			w->deliver((uint8_t)w->shift);
		}
	}
	w->level = level;
	w->told = until;
}

void wire_idle(struct wire *w, double now)
{
	if (now > w->told)
		hold(w, 1, now);
}

void wire_byte(struct wire *w, uint8_t byte, double now)
{
	wire_idle(w, now);
	hold(w, 0, w->told + w->tx_bit);
	for (int i = 0; i < 8; i++)
		hold(w, byte >> i & 1, w->told + w->tx_bit);
	hold(w, 1, w->told + w->tx_bit);
}
