package config

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// goldenCases are configurations with what a real Filebeat 9.0 did with them.
const goldenCases = "../internal/golden/testdata/config"

// onPurpose are the cases where we refuse what Filebeat takes without a word.
var onPurpose = map[string]string{
	"duplicate-keys-nested":            "given twice",
	"duplicate-keys-top":               "given twice",
	"silent-E-unknown-key":             "unknown option",
	"silent-option-case":               "unknown option",
	"silent-processors-as-map":         "wants a list of sections",
	"silent-rename-unknown-option":     "unknown option; did you mean ignore_missing?",
	"silent-unknown-filestream-option": "unknown option",
	"silent-unknown-output-option":     "unknown option",
	"silent-unknown-top-level":         "unknown option",
	"yaml-booleans":                    "filebeat.inputs.0.combine: unknown option",
}

// notHere are cases about the command line.
var notHere = map[string]bool{"unknown-command": true, "version-command": true}

// golden is expect.json.
type golden struct {
	Exit   int               `json:"exit"`
	Args   []string          `json:"args"`
	Env    map[string]string `json:"env"`
	Stderr []string          `json:"stderr"`
}

func TestGoldenConfigurations(t *testing.T) {
	cases, err := filepath.Glob(filepath.Join(goldenCases, "*", "filebeat.yml"))
	if err != nil || len(cases) < 100 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	for _, path := range cases {
		dir := filepath.Dir(path)
		if name := filepath.Base(dir); !notHere[name] {
			t.Run(name, func(t *testing.T) { runGolden(t, dir, onPurpose[name]) })
		}
	}
}

func runGolden(t *testing.T, dir, refusal string) {
	var want golden
	data, err := os.ReadFile(filepath.Join(dir, "expect.json"))
	if err == nil {
		err = json.Unmarshal(data, &want)
	}
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	in, out := filepath.Join(home, "in"), filepath.Join(home, "out")
	if err := os.CopyFS(in, os.DirFS(filepath.Join(dir, "input"))); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	expand := strings.NewReplacer("${CASE}", in, "${OUT}", out)
	t.Setenv("CASE", in)
	t.Setenv("OUT", out)
	for name, value := range want.Env {
		t.Setenv(name, value)
	}
	text, err := os.ReadFile(filepath.Join(dir, "filebeat.yml"))
	if err != nil {
		t.Fatal(err)
	}
	main := filepath.Join(home, "filebeat.yml")
	if err := os.WriteFile(main, []byte(expand.Replace(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	files, overrides := []string{main}, []string{"path.home=" + home}
	for i := 0; i+1 < len(want.Args); i += 2 {
		switch want.Args[i] {
		case "-c":
			files = append(files, filepath.Join(home, want.Args[i+1]))
		case "-E":
			overrides = append(overrides, want.Args[i+1])
		default:
			t.Fatalf("argument %s", want.Args[i])
		}
	}
	check(t, startOf(files, overrides), want, refusal)
}

// startOf does what a start asks of a configuration.
func startOf(files, overrides []string) error {
	c, err := LoadOptions{Brand: Filebeat}.Load(files, overrides)
	if err != nil {
		return err
	}
	return errors.Join(c.NothingToShip(), c.CheckOutputFiles())
}

func check(t *testing.T, err error, want golden, refusal string) {
	t.Helper()
	if refusal != "" {
		if want.Exit != 0 || err == nil || !strings.Contains(err.Error(), refusal) {
			t.Errorf("fault %v, want %q", err, refusal)
		}
		return
	}
	if (err != nil) != (want.Exit != 0) {
		t.Fatalf("fault %v, but Filebeat's exit status is %d", err, want.Exit)
	}
	if err == nil {
		return
	}
	for _, phrase := range want.Stderr {
		if !regexp.MustCompile(phrase).MatchString(err.Error()) {
			t.Errorf("fault\n%v\nlacks /%s/", err, phrase)
		}
	}
}
