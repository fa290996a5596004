package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/internal/keystore"
	"sluice/tailer"
)

// folder is a folder with a configuration and included files.
type folder struct {
	t   *testing.T
	dir string
}

func newFolder(t *testing.T) folder {
	t.Helper()
	f := folder{t, t.TempDir()}
	if err := os.Mkdir(f.path("inputs.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f folder) path(name string) string { return filepath.Join(f.dir, name) }

// write replaces a file, as another inode, so that the change is seen however
// coarse the clock of the file system is.
func (f folder) write(name, text string) {
	f.t.Helper()
	if err := os.WriteFile(f.path(name+".new"), []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(f.path(name+".new"), f.path(name)); err != nil {
		f.t.Fatal(err)
	}
}

// load reads a configuration that includes inputs.d/*.yml.
func (f folder) load(more string) (*Config, error) {
	f.t.Helper()
	f.write("f.yml", "path.config: "+f.dir+"\npath.data: "+f.dir+"\noutput.logstash.hosts: elk\nfilebeat.config.inputs.path: inputs.d/*.yml\n"+more)
	return Load([]string{f.path("f.yml")}, nil)
}

func pathsOf(inputs []tailer.InputConfig) (all []string) {
	for i := range inputs {
		all = append(all, strings.Join(inputs[i].Paths, ","))
	}
	return all
}

func TestIncludedFilesGiveInputs(t *testing.T) {
	f := newFolder(t)
	t.Setenv("SLUICE_TEST_DIR", "/env")
	f.write("inputs.d/1.yml", "- {type: log, paths: '${SLUICE_TEST_DIR}/a'}\n- {type: filestream, id: x, paths: '${path.config}/b'}\n")
	f.write("inputs.d/2.yml", "# nothing\n")
	f.write("inputs.d/3.yml", "filebeat.inputs:\n- paths: /ignored\n")
	f.write("inputs.d/4.yml", "[{input_type: log, paths: /c}]\n")
	f.write("inputs.d/5.txt", "- nonsense")
	if err := os.Mkdir(f.path("inputs.d/6.yml"), 0o700); err != nil {
		t.Fatal(err)
	}
	c, err := f.load("filebeat.inputs: [{type: filestream, id: y, paths: /main}]\n")
	if err != nil {
		t.Fatal(err)
	}
	files, err := LoadInputs(c)
	if err != nil || len(files) != 4 {
		t.Fatalf("files %+v, %v", files, err)
	}
	var got []string
	for _, file := range files {
		got = append(got, pathsOf(file.Inputs)...)
	}
	if want := []string{"/env/a", f.dir + "/b", "/c"}; !slices.Equal(got, want) {
		t.Errorf("inputs of %q, want %q", got, want)
	}
	if len(c.Warnings) != 1 || !strings.HasPrefix(c.Warnings[0], f.path("inputs.d/3.yml")+": holds a section, not a list of inputs") {
		t.Errorf("warnings %q", c.Warnings)
	}
	if files[0].Inputs[0].CloseInactive != 5*time.Minute {
		t.Error("the inputs lack their defaults")
	}
	s := c.InputFiles()
	changed, inputs, err := s.Scan()
	if !changed || err != nil || !slices.Equal(pathsOf(inputs), got) || s.Period() != 0 || len(s.Warnings()) != 1 {
		t.Errorf("scan %v, %q, %v, period %s, warnings %q", changed, pathsOf(inputs), err, s.Period(), s.Warnings())
	}
}

func TestIncludedFilesThatAreSwitchedOff(t *testing.T) {
	f := newFolder(t)
	f.write("inputs.d/1.yml", "- nonsense\n")
	c, err := f.load("filebeat.config.inputs.enabled: false\n")
	if err != nil || c.InputFiles() != nil {
		t.Fatalf("%v, %v", c, err)
	}
	if files, err := LoadInputs(c); files != nil || err != nil {
		t.Errorf("files %v, %v", files, err)
	}
	if c.NothingToShip() == nil {
		t.Error("there is nothing to ship")
	}
}

func TestFaultsInIncludedFilesEndTheStart(t *testing.T) {
	f := newFolder(t)
	f.write("inputs.d/1.yml", "- {type: log, paths: /a}\n- {type: filestream, id: y, paths: /b}\n")
	f.write("inputs.d/2.yml", "- type: nosuchtype\n- {type: log, pahts: /x}\n")
	f.write("inputs.d/3.yml", "just text\n")
	f.write("inputs.d/4.yml", "- {type: log, paths: '${SLUICE_TEST_UNSET}'}\n")
	f.write("inputs.d/5.yml", "- {type: log, paths: /a}\n")
	if err := os.Chmod(f.path("inputs.d/5.yml"), 0o666); err != nil {
		t.Fatal(err)
	}
	f.write("inputs.d/6.yml", "- [\n")
	_, err := f.load("filebeat.inputs: [{type: filestream, id: y, paths: /main}]\n")
	if err == nil {
		t.Fatal("no fault")
	}
	for _, want := range []string{
		"1.yml: filebeat.inputs.1.id: filestream input with ID 'true' already exists",
		"2.yml:1:3: filebeat.inputs.0.type: \"nosuchtype\" is no input",
		"2.yml:2:15: filebeat.inputs.1.pahts: unknown option; did you mean paths?",
		"3.yml:1:1: the file must hold a list of inputs, found another text",
		"4.yml:1:22: filebeat.inputs.0.paths: ${SLUICE_TEST_UNSET} is neither",
		"5.yml: unsafe permissions: others than its owner may write it (mode 0666); run chmod go-w",
		"6.yml:2:1: not valid YAML",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the faults lack %q:\n%v", want, err)
		}
	}
	c, err := f.load("filebeat.config.inputs.reload.enabled: true\n")
	if err != nil {
		t.Fatal(err)
	}
	if _, inputs, err := c.InputFiles().Scan(); !slices.Equal(pathsOf(inputs), []string{"/a", "/b"}) || err == nil || !strings.Contains(err.Error(), "nosuchtype") {
		t.Errorf("with reload: %q, %v", pathsOf(inputs), err)
	}
	lax, err := LoadOptions{LaxPerms: true}.Load([]string{f.path("f.yml")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, inputs, _ := lax.InputFiles().Scan(); len(inputs) != 3 {
		t.Errorf("without strict permissions: %q", pathsOf(inputs))
	}
}

func TestIncludedFilesAreReadAgain(t *testing.T) {
	f := newFolder(t)
	f.write("inputs.d/1.yml", "- {type: filestream, id: a, paths: /a}\n")
	c, err := f.load("filebeat.config.inputs.reload: {enabled: true, period: 300ms}\n")
	if err != nil {
		t.Fatal(err)
	}
	s := c.InputFiles()
	if s.Period() != 300*time.Millisecond {
		t.Errorf("period %s", s.Period())
	}
	step := func(what string, change bool, fault string, want ...string) {
		t.Helper()
		changed, inputs, err := s.Scan()
		if changed != change || (err == nil) != (fault == "") || err != nil && !strings.Contains(err.Error(), fault) || !slices.Equal(pathsOf(inputs), want) {
			t.Errorf("%s: changed %v, inputs %q, fault %v", what, changed, pathsOf(inputs), err)
		}
	}
	step("start", true, "", "/a")
	step("no change", false, "", "/a")
	f.write("inputs.d/2.yml", "- {type: log, paths: /b}\n")
	step("a new file", true, "", "/a", "/b")
	f.write("inputs.d/2.yml", "- {type: log, paths: /b}\n\n")
	step("only its text is another", false, "", "/a", "/b")
	f.write("inputs.d/2.yml", "- {type: log, paths: [/b, }\n")
	step("it gets a fault", false, "2.yml", "/a", "/b")
	step("the fault is told once", false, "", "/a", "/b")
	f.write("inputs.d/2.yml", "- {type: filestream, id: a, paths: /c}\n")
	step("an id that is taken", false, "already exists", "/a", "/b")
	if err := os.Remove(f.path("inputs.d/1.yml")); err != nil {
		t.Fatal(err)
	}
	step("the id is free", true, "", "/c")
	f.write("inputs.d/2.yml", "")
	step("an empty file", true, "")
	f.write("inputs.d/2.yml", "- {type: log, paths: /d}\n")
	if err := os.Chmod(f.path("inputs.d/2.yml"), 0o622); err != nil {
		t.Fatal(err)
	}
	step("unsafe permissions", false, "unsafe permissions")
	if err := os.Chmod(f.path("inputs.d/2.yml"), 0o600); err != nil {
		t.Fatal(err)
	}
	step("safe again", true, "", "/d")
	if err := os.Remove(f.path("inputs.d/2.yml")); err != nil {
		t.Fatal(err)
	}
	step("all gone", true, "")
	step("all gone still", false, "")
}

func TestOptionsOfIncludedFiles(t *testing.T) {
	for text, want := range map[string]string{
		"filebeat.config.inputs: {path: ''}":                                        "f.yml:1:26: filebeat.config.inputs.path: is missing",
		"filebeat.config.inputs: {path: '['}":                                       `f.yml:1:26: filebeat.config.inputs.path: "[" is no glob`,
		"filebeat.config.inputs: {path: x, reload: {enabled: true, period: 0}}":     "f.yml:1:59: filebeat.config.inputs.reload.period: must be greater than 0",
		"filebeat.config.inputs: {path: x, reload: {enabled: true, period: 1h, x}}": "unknown option",
	} {
		if got := faultsOf(t, text); !strings.Contains(got, want) {
			t.Errorf("%s: %s", text, got)
		}
	}
	c := mustParse(t, "filebeat.config.inputs.path: /none/*.yml\noutput.logstash.hosts: a\n")
	if err := c.NothingToShip(); err != nil {
		t.Errorf("inputs may come later: %v", err)
	}
	if got := faultsOf(t, "filebeat.inputs: [{type: filestream, id: a, paths: /x}, {type: filestream, id: a, paths: /y}]"); got != `f.yml:1:76: filebeat.inputs.1.id: filestream input with ID 'a' already exists; give each its own` {
		t.Errorf("fault %s", got)
	}
	c = mustParse(t, "filebeat.inputs: [{type: filestream, paths: /x}]\n")
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "without ID") {
		t.Errorf("warnings %q", c.Warnings)
	}
}

func TestReferencesFindTheKeystore(t *testing.T) {
	dir := t.TempDir()
	k, err := keystore.Create(filepath.Join(dir, "filebeat.keystore"))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"SLUICE_TEST_A": "from the keystore", "SLUICE_TEST_N": "12,13", "name": "never", "path.data": "never"} {
		if err := k.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("SLUICE_TEST_A", "from the environment")
	t.Setenv("SLUICE_TEST_B", "b")
	text := "path.data: " + dir + "\nname: here\nfields: {a: '${SLUICE_TEST_A}', t: 'x-${SLUICE_TEST_A}', b: '${SLUICE_TEST_B}', n: '${SLUICE_TEST_N}', s: '${name}', p: '${path.data}', d: '${SLUICE_TEST_A:default}'}\n"
	c, err := Parse("f.yml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"a": "from the keystore", "t": "x-from the keystore", "b": "b", "n": "12,13", "s": "here", "p": dir, "d": "from the keystore",
	} {
		if c.Fields[name] != want {
			t.Errorf("fields.%s is %v, want %v", name, c.Fields[name], want)
		}
	}
	if c.Keystore.Path != filepath.Join(dir, "filebeat.keystore") {
		t.Errorf("keystore at %s", c.Keystore.Path)
	}
	for _, write := range []func(*strings.Builder) error{
		func(b *strings.Builder) error { return c.Write(b) }, func(b *strings.Builder) error { return c.Export(b) },
	} {
		var b strings.Builder
		if err := write(&b); err != nil || strings.Contains(b.String(), "from the keystore") || !strings.Contains(b.String(), hidden) {
			t.Errorf("%v: the dump shows a secret:\n%s", err, b.String())
		}
	}
	if got := faultsOf(t, text+"logging.level: ${SLUICE_TEST_A}\n"); !strings.Contains(got, "is no level") || strings.Contains(got, "keystore") {
		t.Errorf("fault %s", got)
	}

	if err := os.Chmod(filepath.Join(dir, "filebeat.keystore"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := faultsOf(t, "path.data: "+dir+"\nname: ${SLUICE_TEST_A}\n"); !strings.HasPrefix(got, "f.yml:2:7: name: ") || !strings.Contains(got, "chmod go-rwx") {
		t.Errorf("insecure keystore: %s", got)
	}
	if got := faultsOf(t, "path.data: "+dir+"\nname: x\n"); got != "" {
		t.Errorf("a keystore that nothing needs: %s", got)
	}
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, []byte("v1garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := faultsOf(t, "keystore.path: ${SLUICE_TEST_UNSET:"+other+"}\nname: ${SLUICE_TEST_A}\n")
	if !strings.Contains(got, keystore.ErrDamaged.Error()) || strings.Contains(got, "\n") {
		t.Errorf("damaged keystore: %s", got)
	}
	if _, err := keystore.Open(other); !errors.Is(err, keystore.ErrDamaged) {
		t.Error(err)
	}
}

func TestFoldersOfTheBrands(t *testing.T) {
	o := LoadOptions{Brand: Filebeat, Home: "/opt/fb"}
	if got, want := o.Paths(), (PathConfig{"/opt/fb", "/opt/fb", "/opt/fb/data", "/opt/fb/logs"}); got != want {
		t.Errorf("paths %+v, want %+v", got, want)
	}
	if o.Brand.FileName() != "filebeat.yml" || Sluice.FileName() != "sluice.yml" {
		t.Error("file names")
	}
	for text, want := range map[string]PathConfig{
		"name: ${path.data}":         {"/opt/fb", "/opt/fb", "/opt/fb/data", "/opt/fb/logs"},
		"path.home: /h":              {"/h", "/h", "/h/data", "/h/logs"},
		"path.data: ${path.home}/d2": {"/opt/fb", "/opt/fb", "/opt/fb/d2", "/opt/fb/logs"},
	} {
		c, err := o.Parse("f.yml", []byte(text))
		if err != nil || c.Path != want {
			t.Errorf("%s: %+v, %v; want %+v", text, c, err, want)
		}
	}
}
