package config_test

import (
	"bytes"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"sluice/config"
	"sluice/config/internal/reference"
)

func TestReferenceFileIsCurrent(t *testing.T) {
	var b bytes.Buffer
	if err := reference.Write(&b, ".."); err != nil {
		t.Fatal(err)
	}
	if b.String() != config.Reference() {
		t.Error("config/sluice.reference.yml is stale: run go generate ./config")
	}
}

var commentedOption = regexp.MustCompile(`(?m)^( *)#([^ #])`)

func TestReferenceFileUncommentedGivesTheDefaults(t *testing.T) {
	text := commentedOption.ReplaceAllString(config.Reference(), "$1$2")
	got, err := config.Decode("reference.yml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := reference.Example()
	if !reflect.DeepEqual(got, &want) {
		t.Errorf("the uncommented reference gives\n%+v\nwant\n%+v", got, &want)
	}
	if n := strings.Count(text, "\n"); n < 300 {
		t.Errorf("the reference has only %d lines", n)
	}
}
