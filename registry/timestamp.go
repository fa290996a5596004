package registry

import (
	"fmt"
	"time"
)

// utcZone is the zone offset that stands for UTC, in minutes.
const utcZone = -1

// encodeTimestamp returns the pair [extra, seconds]: extra holds the
// nanoseconds (bits 0–31), the zone offset in minutes as int16 (bits 32–47,
// utcZone for UTC) and the version 0 (bits 56–63); seconds is Unix time as a
// two's complement number. A zone that is not whole minutes is cut to minutes.
func encodeTimestamp(t time.Time) (extra, seconds uint64) {
	zone := utcZone
	if t.Location() != time.UTC {
		_, east := t.Zone()
		zone = east / 60
		if zone == utcZone || zone < -32768 || zone > 32767 {
			zone = 0
		}
	}
	extra = uint64(uint16(int16(zone)))<<32 | uint64(uint32(t.Nanosecond()))
	return extra, uint64(t.Unix())
}

// decodeTimestamp is the reverse of encodeTimestamp.
func decodeTimestamp(extra, seconds uint64) (time.Time, error) {
	if version := extra >> 56; version != 0 {
		return time.Time{}, fmt.Errorf("timestamp has version %d instead of 0", version)
	}
	nanos := int64(uint32(extra))
	if nanos >= int64(time.Second) {
		return time.Time{}, fmt.Errorf("timestamp has %d nanoseconds", nanos)
	}
	t := time.Unix(int64(seconds), nanos)
	minutes := int(int16(extra >> 32))
	if minutes == utcZone {
		return t.UTC(), nil
	}
	return inZone(t, minutes*60), nil
}

// inZone gives t, in the local zone, the zone east seconds east of UTC: the
// local one when that has the same offset.
func inZone(t time.Time, east int) time.Time {
	if _, local := t.Zone(); local == east && t.Location() != time.UTC {
		return t
	}
	return t.In(time.FixedZone("", east))
}

// parseTimestamp reads the RFC 3339 form of version 0.
func parseTimestamp(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("timestamp %.40q is not RFC 3339", s)
	}
	return t, nil
}
