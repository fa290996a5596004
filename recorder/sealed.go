package recorder

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// seriesFile is the content of NAME.spool.json.
type seriesFile struct {
	Version int    `json:"version"`
	Series  string `json:"series"`
	// Next is the number of the next new segment.
	Next int64 `json:"next"`
	// Active is the name of the segment that may still be written; empty: none.
	Active string `json:"active"`
	// NUL says that the active segment's lines hold NUL bytes that are meant.
	NUL bool `json:"nul,omitempty"`
	// Dropped is what was deleted so far although it was not acknowledged
	// (when_full: drop_oldest). Dropping are segments whose deletion is announced.
	Dropped  losses   `json:"dropped,omitzero"`
	Dropping []string `json:"dropping,omitempty"`
}

const (
	segmentSuffix = ".log"
	seriesSuffix  = ".spool.json"
	numberDigits  = 10
)

// segmentName is NAME-NNNNNNNNNN.log.
func segmentName(series string, number int64) string {
	return fmt.Sprintf("%s-%0*d%s", series, numberDigits, number, segmentSuffix)
}

// parseSegmentName splits a segment's name; ok is false for other names.
func parseSegmentName(name string) (series string, number int64, ok bool) {
	stem, found := strings.CutSuffix(name, segmentSuffix)
	dash := strings.LastIndexByte(stem, '-')
	if !found || dash < 1 {
		return "", 0, false
	}
	number, err := strconv.ParseInt(stem[dash+1:], 10, 64)
	if err != nil || number < 1 || segmentName(stem[:dash], number) != name {
		return "", 0, false
	}
	return stem[:dash], number, true
}

// errSeriesFile marks a NAME.spool.json that can't be understood.
var errSeriesFile = errors.New("not a series file")

// readSeriesFile reads NAME.spool.json.
func readSeriesFile(path string) (seriesFile, error) {
	var s seriesFile
	b, err := os.ReadFile(path)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return seriesFile{}, fmt.Errorf("read %s: %w: %w", path, errSeriesFile, err)
	}
	if s.Version != 1 || s.Next < 1 {
		return seriesFile{}, fmt.Errorf("read %s: %w: version %d, next %d", path, errSeriesFile, s.Version, s.Next)
	}
	return s, nil
}

// Sealed tells whether the file at path is a segment of a spool, and if so
// whether it will never be written again. segment is false for every file that
// has no NAME.spool.json beside it or is not named as a segment. After an
// unclean end of the recorder the last segment stays active until the recorder
// has started again. A spool file that can't be read is an error: then nobody
// knows.
func Sealed(path string) (sealed, segment bool, err error) {
	dir, name := filepath.Split(path)
	series, number, ok := parseSegmentName(name)
	if !ok {
		return false, false, nil
	}
	s, err := readSeriesFile(filepath.Join(dir, series+seriesSuffix))
	if errors.Is(err, fs.ErrNotExist) {
		return false, false, nil
	}
	if err != nil {
		return false, true, err
	}
	return s.sealed(name, number), true, nil
}

// sealed says whether a segment of the series will never be written again.
func (s *seriesFile) sealed(name string, number int64) bool {
	return number < s.Next && name != s.Active
}
