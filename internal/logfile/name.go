package logfile

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"sluice/internal/order"
)

// suffix ends the names of all log files, as in Filebeat since 8.0.
const suffix = ".ndjson"

const dateLayout = "20060102"

// fileName is the name of one log file in its parts.
type fileName struct {
	prefix string // Config.Name
	date   string // YYYYMMDD
	number int    // 0: the first of the date, written without a number
}

func (n fileName) String() string {
	if n.number == 0 {
		return n.prefix + "-" + n.date + suffix
	}
	return n.prefix + "-" + n.date + "-" + strconv.Itoa(n.number) + suffix
}

// parseName reads the name of a file of ours.
func parseName(prefix, name string) (fileName, bool) {
	rest, ok := strings.CutPrefix(name, prefix+"-")
	if !ok {
		return fileName{}, false
	}
	if rest, ok = strings.CutSuffix(rest, suffix); !ok {
		return fileName{}, false
	}
	n := fileName{prefix: prefix}
	var number string
	var numbered bool
	n.date, number, numbered = strings.Cut(rest, "-")
	if _, err := time.Parse(dateLayout, n.date); err != nil {
		return fileName{}, false
	}
	if numbered {
		var err error
		if n.number, err = strconv.Atoi(number); err != nil || n.number < 1 {
			return fileName{}, false
		}
	}
	return n, n.String() == name
}

func compareNames(a, b fileName) int {
	return cmp.Or(cmp.Compare(a.date, b.date), cmp.Compare(a.number, b.number))
}

// list returns the log files of a folder, the oldest first.
func list(dir, prefix string) ([]fileName, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var found []fileName
	for _, e := range entries {
		if n, ok := parseName(prefix, e.Name()); ok && (e.Type().IsRegular() || e.Type()&os.ModeSymlink != 0) {
			found = append(found, n)
		}
	}
	order.By(found, compareNames)
	return found, nil
}

// next returns the name that follows all of a date.
func next(files []fileName, prefix string, now time.Time) fileName {
	n := fileName{prefix: prefix, date: now.Format(dateLayout)}
	for _, f := range files {
		if f.date == n.date {
			n.number = max(n.number, f.number+1)
		}
	}
	return n
}

// period names the interval that a time lies in: a line of another one starts
// a new file.
func period(interval time.Duration, t time.Time) string {
	const day = 24 * time.Hour
	switch interval {
	case 0:
		return ""
	case time.Minute:
		return t.Format("200601021504")
	case time.Hour:
		return t.Format("2006010215 -0700")
	case day:
		return t.Format(dateLayout)
	case 7 * day:
		year, week := t.ISOWeek()
		return fmt.Sprintf("%d-%d", year, week)
	case 30 * day:
		return t.Format("200601")
	case 365 * day:
		return t.Format("2006")
	}
	return strconv.FormatInt(floorDiv(t.UnixMilli(), interval.Milliseconds()), 10)
}

// floorDiv divides times, also those before 1970, where a machine without a
// clock of its own may start.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
