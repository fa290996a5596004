package docs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/internal/nspawn"
)

// The guide from a bare machine on, page after page.
func TestGuide(t *testing.T) {
	followPages(t, gatewayPages, "GUIDE_RECEIVER=/etc/sluice/pki GUIDE_LISTEN=10.8.0.1:5044 GUIDE_CLIENTS=known")
}

// The way from the report's gateway to ours, under a device that goes on publishing.
func TestMigration(t *testing.T) {
	followPages(t, migrationPages, "GUIDE_RECEIVER=/srv/receiver GUIDE_LISTEN=10.8.0.1:5000 GUIDE_CLIENTS=any")
}

// followPages runs the blocks of pages on a machine, each page with what
// testdata/PAGE.before.sh prepares (devices, other people's set-ups) and
// testdata/PAGE.after.sh looks at. server is the environment of the receiver.
func followPages(t *testing.T, names []string, server string) {
	if testing.Short() {
		t.Skip("boots a system")
	}
	t.Parallel()
	nspawn.Needs(t, "mosquitto", "mosquitto_pub:mosquitto-clients", "rotatelogs:apache2-utils", "jq", "curl", "crontab:cron")
	var plan []block
	for _, name := range names {
		plan = append(plan, script(name, "before")...)
		n := 0
		for _, b := range blocks(t, name) {
			if b.Kind == "sh" && !b.dry() {
				n++
			} else if b.File == "" {
				continue
			}
			plan = append(plan, b)
		}
		if n == 0 {
			t.Errorf("%s has no block that is run", name)
		}
		plan = append(plan, script(name, "after")...)
	}
	m := prepare(t, server)
	run(t, &m, plan)
	results := m.Read("results")
	if strings.HasSuffix(results, "\ndone\n") {
		t.Logf("%s", results)
		return
	}
	t.Errorf("the guide was not followed to its end:\n%s\n%s", results, m.Read("errors"))
	t.Logf("journal:\n%s", m.Read("journal"))
}

// script is one of testdata, if it is there.
func script(page, when string) []block {
	name := filepath.Join("testdata", strings.TrimSuffix(page, ".md")+"."+when+".sh")
	text, err := os.ReadFile(name)
	if err != nil {
		return nil
	}
	return []block{{Page: name, Line: 1, Kind: "sh", Text: string(text)}}
}
