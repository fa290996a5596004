package docs_test

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// cells are the table rows of a page that begin with a text.
func cells(t *testing.T, page, first string) []string {
	t.Helper()
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "| "+first+" |") {
			var all []string
			for _, c := range strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|") {
				all = append(all, strings.TrimSpace(c))
			}
			return all
		}
	}
	t.Fatalf("the page has no row %q", first)
	return nil
}

// number reads "2,880", "25 MB" or "7.4 GB".
func number(t *testing.T, text string) float64 {
	t.Helper()
	m := regexp.MustCompile(`([\d,.]*\d)(?: ([kMG])B)?`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("%q holds no number", text)
	}
	n, err := strconv.ParseFloat(strings.ReplaceAll(m[1], ",", ""), 64)
	if err != nil {
		t.Fatal(err)
	}
	return n * map[string]float64{"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[m[2]]
}

func near(t *testing.T, what string, said, is float64) {
	t.Helper()
	if math.Abs(said-is) > 0.07*is {
		t.Errorf("%s: the page says %g, it is %g", what, said, is)
	}
}

// The tables say what the formulas give.
func TestSizing(t *testing.T) {
	text := page(t, "sizing.md")
	bytes := map[int]float64{
		2: number(t, cells(t, text, "`json`, the default")[1]),
		3: number(t, cells(t, text, "`\"@FT@T@z,%t,%p\"`, the report's")[1]),
	}
	for first, seconds := range map[string]float64{"2 a minute": 30, "1 a second": 1, "10 a second": 0.1, "100 a second": 0.01} {
		row := cells(t, text, first)
		near(t, first, number(t, row[1]), 86400/seconds)
		for column, line := range bytes {
			near(t, first, number(t, row[column]), 86400/seconds*line*(30+9))
		}
	}
	alone, anew := number(t, cells(t, text, "alone, connection open")[1]), number(t, cells(t, text, "alone, and the connection has to be made first")[1])
	_, mobile, _ := strings.Cut(text, "## Mobile data")
	for first, is := range map[string]float64{
		"1 a second": 86400 * 30 * alone, "1 every 10 s": 8640 * 30 * alone,
		"1 every 5 minutes": 288 * 30 * anew, "1 an hour": 720 * anew,
	} {
		near(t, first, number(t, cells(t, mobile, first)[1]), is)
	}
}

// A line has the length that the tables are made of.
func TestLinesHaveTheirLength(t *testing.T) {
	text := page(t, "sizing.md")
	const topic, payload = "sensor0/feeds/0/temp", "21.4"
	lines := map[string]string{
		"`json`, the default": `{"time":"2026-11-25T11:06:14.704941592Z","topic":"` + topic + `","qos":1,"retained":false,"duplicate":false,"id":20061,"payload":"` + payload +
			`","encoding":"text","boot":"d98989c2","monotonic":28811.913060,"synced":true}`,
		"`\"@FT@T@z,%t,%p\"`, the report's": "2026-11-25T11:06:20+0000," + topic + "," + payload,
	}
	for first, line := range lines {
		row := cells(t, text, first)
		near(t, first, number(t, row[1]), float64(len(line)+1))
		near(t, first+" without topic and payload", number(t, row[2]), float64(len(line)+1-len(topic)-len(payload)))
	}
}
