package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// gatewayLike refers to secrets that only services have.
const gatewayLike = `
path.data: /data
recorder.mqtt: [{hosts: mqtts://broker, password: "${NO_PASSWORD}"}]
output.logstash: {hosts: elk, ssl: {certificate: c, key: "${NO_FOLDER}/k"}}
`

func putFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOnlyTheSectionsInUseNeedTheirReferences(t *testing.T) {
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	dir := t.TempDir()
	file := filepath.Join(dir, "f.yml")
	putFile(t, dir+"/inputs.yml", "- {type: log, unheard: of}\n")
	for name, c := range map[string]struct {
		yaml string
		want string // part of the fault; empty: none
	}{
		"secrets of others":           {gatewayLike + "cleaner.older_than: 5h\n", ""},
		"a number of another":         {"queue.mem.events: ${NO_NUMBER}\noutput.logstash.hosts: a\n", ""},
		"what systemd sets":           {"cleaner.older_than: ${CREDENTIALS_DIRECTORY}\n", "is set by systemd, and for services only"},
		"a whole section of another":  {"output: ${NO_OUTPUT}\n", ""},
		"a message of another":        {"output.logstash.hosts: '${NO_HOST:?give it}'\n", ""},
		"inputs beside the registry":  {"filebeat: {inputs: [{paths: '${NO_FILE}', type: '${NO_TYPE}'}], registry.flush: 2s}\n", ""},
		"included files":              {"filebeat.config.inputs.path: " + dir + "/inputs.yml\noutput.logstash.hosts: a\n", ""},
		"a reference to another":      {gatewayLike + "cleaner.older_than: ${recorder.mqtt.0.password}\n", "f.yml:5:21: cleaner.older_than: ${NO_PASSWORD} is neither"},
		"a section that is another's": {gatewayLike + "filebeat.registry: ${output.logstash}\n", "output.logstash.ssl.key: ${NO_FOLDER} is neither"},
		"a section in use":            {gatewayLike + "cleaner.older_than: ${NO_AGE}\n", "f.yml:5:21: cleaner.older_than: ${NO_AGE} is neither"},
		"part of one in use":          {gatewayLike + "filebeat: ${NO_FILEBEAT}\n", "filebeat: ${NO_FILEBEAT} is neither"},
		"the folders":                 {gatewayLike + "path.logs: ${NO_LOGS}\n", "path.logs: ${NO_LOGS} is neither"},
		"the keystore's place":        {gatewayLike + "keystore.path: ${NO_PLACE}\n", "keystore.path: ${NO_PLACE} is neither"},
		"a bad value in use":          {gatewayLike + "cleaner.older_than: soon\n", "cleaner.older_than: "},
		"a bad reference":             {gatewayLike + "name: ${x\n", "name: a ${ has no closing }"},
		"a circle":                    {gatewayLike + "name: ${name}\n", "name: the reference leads back to itself"},
		"a fault of another section":  {gatewayLike + "max_procs: -1\nqueue.mem.events: none\n", "queue.mem.events: "},
	} {
		putFile(t, file, c.yaml)
		cfg, err := LoadOptions{Sections: []string{"filebeat.registry", "cleaner"}}.Load([]string{file}, nil)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %s", name, err, c.want)
		case name == "secrets of others" && (cfg.RegistryPath() != "/data/registry" || cfg.Cleaner.OlderThan.Hours() != 5):
			t.Errorf("%s: registry %s, cleaner %+v", name, cfg.RegistryPath(), cfg.Cleaner)
		case name == "inputs beside the registry" && cfg.Filebeat.Registry.Flush.Seconds() != 2:
			t.Errorf("%s: %+v", name, cfg.Filebeat.Registry)
		}
		if _, err := Load([]string{file}, nil); err == nil {
			t.Errorf("%s: no fault with all sections in use", name)
		}
	}
}

// A keystore that can't be read is as one without the key.
func TestAKeystoreOfOthersMayBeShut(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f.yml")
	putFile(t, file, gatewayLike+"keystore.path: "+dir+"\n")
	if _, err := (LoadOptions{Sections: []string{"cleaner"}}).Load([]string{file}, nil); err != nil {
		t.Error(err)
	}
	if _, err := Load([]string{file}, nil); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("with all sections in use: %v", err)
	}
}
