package demo

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// reading names one reading: the topic by its index, and its number among the
// readings of that topic, from 0.
type reading struct{ topic, number uint32 }

const (
	numberDigits = 8
	maxNumber    = 100_000_000 // of readings per topic
)

// quantity is what a topic measures: a random walk in tenths within limits.
type quantity struct {
	name              string // last level of the topic
	start, least, top int    // in tenths
}

// quantities of each sensor, as the firmware publishes them.
var quantities = []quantity{
	{"humid", 553, 200, 900}, // % relative humidity
	{"temp", 215, -100, 450}, // °C
}

// topicName is "/feeds/SENSOR/QUANTITY".
func topicName(sensor int, q quantity) string {
	return "/feeds/" + strconv.Itoa(sensor) + "/" + q.name
}

// allTopics are the topics of all sensors, in the order of their index.
func allTopics() (topics []string) {
	for id := range sensorCount {
		for _, q := range quantities {
			topics = append(topics, topicName(id, q))
		}
	}
	return topics
}

// walk is the present value of a quantity at one sensor.
type walk struct {
	quantity
	value int // tenths
}

// step moves the value by -0.3 to +0.3 and keeps it within the limits.
func (w *walk) step(random *rand.Rand) int {
	w.value = min(max(w.value+random.IntN(7)-3, w.least), w.top)
	return w.value
}

// appendPayload writes a reading: one decimal as the sensor resolves it, and
// behind it the reading's number with eight digits, so that 55.300000417 is
// reading 417 of its topic, with the value 55.3. It stays a plain number to
// everything that parses it, and no two readings of a topic are equal.
func appendPayload(dst []byte, tenths int, number uint32) []byte {
	if tenths < 0 {
		dst = append(dst, '-')
		tenths = -tenths
	}
	dst = strconv.AppendInt(dst, int64(tenths/10), 10)
	dst = append(dst, '.', byte('0'+tenths%10))
	digits := strconv.FormatUint(uint64(number), 10)
	dst = append(dst, "00000000"[:numberDigits-len(digits)]...)
	return append(dst, digits...)
}

// payloadNumber returns the number that a payload carries.
func payloadNumber[T string | []byte](payload T) (uint32, error) {
	text := string(payload)
	_, decimals, ok := strings.Cut(text, ".")
	if !ok || len(decimals) != 1+numberDigits {
		return 0, fmt.Errorf("payload %.40q is no reading of the demo", text)
	}
	n, err := strconv.ParseUint(decimals[1:], 10, 32)
	if err != nil {
		return 0, fmt.Errorf("payload %.40q is no reading of the demo: %w", text, err)
	}
	return uint32(n), nil
}
