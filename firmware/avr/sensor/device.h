// What only the chip knows: why it started, its free memory, its supply voltage.
#pragma once

#include <stdint.h>

#include "report.h"

namespace device {

// cause tells why the chip started. The first call after the start counts.
Cause cause();

// freeRam is the room between heap and stack at this moment, in bytes.
uint16_t freeRam();

// The supply is measured backwards: the ADC compares the chip's own reference
// with the supply, so the lower the supply, the larger the number. selectSupply
// connects the reference, which needs 1 ms to settle; startSupply starts the
// conversion of 0.2 ms; supplyMillivolts gives the result, and 0 for none.
void selectSupply();
void startSupply();
bool supplyReady();
uint16_t supplyMillivolts(uint16_t reference);

// idle stops the processor until the next interrupt: 1 ms at most, sooner when a
// byte comes or goes.
void idle();

}  // namespace device
