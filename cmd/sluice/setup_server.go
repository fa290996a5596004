//go:build !arm || demo

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sluice/internal/setup"
)

// serverFlags are those of setup server.
type serverFlags struct {
	setupFlags
	apply    setup.Server
	files    setup.ServerFiles
	user     string
	password string // FILE
	key      string // FILE
	keep     string
}

const serverHelp = `With --apply, put into Elasticsearch (7.6 to 9) or OpenSearch what readings need:
index templates, the ingest pipeline, lifecycle, roles and, with --secrets, users;
with --snapshots a backup each night, with --kibana the dashboard. Each is compared
first, and told as "same" or "put"; what the server's edition or licence lacks is
told as "skip", with the reason. With --gateway NAME only this gateway's right to
write is made: an API key, or with OpenSearch a user.

Without --apply, write a folder for Docker Compose with Elasticsearch, Kibana and
Logstash: its files, the passwords, and the certificates of the bundle that "setup
pki bundle logstash" makes. Run it again after a change; passwords and .env stay.`

func (a *app) setupServerCommand() *cobra.Command {
	f := serverFlags{}
	cmd := &cobra.Command{
		Use: "server [FOLDER]", Short: "Set up Elasticsearch, Kibana and Logstash, or OpenSearch", Args: names(0, 1),
		Long: serverHelp,
		Example: `  sluice setup server /srv/sluice --bundle logstash.bundle.pem
  sluice setup server --apply https://10.8.0.1:9200 --ca ca.crt \
    --user elastic --password-file secrets/elastic.password --secrets secrets \
    --snapshots /usr/share/elasticsearch/snapshots --kibana https://10.8.0.1:5601
  sluice setup server --apply https://10.8.0.1:9200 --ca ca.crt \
    --user elastic --password-file secrets/elastic.password \
    --gateway gateway1 --key-file gateway1.api_key`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case f.apply.URL != "" && len(args) > 0:
				return errors.New("setup server wants a FOLDER or --apply URL, not both")
			case f.apply.URL != "":
				return a.applyServer(cmd, &f)
			case len(args) == 0:
				return errors.New("setup server wants a FOLDER for its files, or --apply URL")
			}
			return a.writeServer(cmd, &f, args[0])
		},
	}
	f.registerApply(cmd)
	f.registerFiles(cmd)
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "print each file and object, and change nothing")
	return cmd
}

func (f *serverFlags) registerApply(cmd *cobra.Command) {
	flags, o := cmd.Flags(), &f.apply
	flags.StringVar(&o.URL, "apply", "", "`URL` of Elasticsearch or OpenSearch: put everything there")
	flags.StringVar(&o.CA, "ca", "", "`FILE` of the authority that the servers' certificates are from (default: those of the system)")
	flags.StringVar(&f.user, "user", "", "`NAME` of an administrator, such as elastic")
	flags.StringVar(&f.password, "password-file", "", "`FILE` with that user's password, - for standard input")
	flags.StringVar(&f.key, "api-key-file", "", "`FILE` with an API key, id:key or its base64 form, instead of a user; - for standard input")
	flags.StringVar(&f.keep, "keep", "90d", "`DAYS` that readings stay")
	flags.IntVar(&o.Replicas, "replicas", 0, "`NUMBER` of copies of each index on other servers")
	flags.BoolVar(&o.DataStream, "data-stream", false, "put the data stream mqtt-stream there, too")
	flags.StringVar(&o.Secrets, "secrets", "", "make users; their passwords lie in `FOLDER` as USER.password, and are made if missing")
	flags.StringArrayVar(&o.Sites, "site", nil, "make a role and a user who may see the readings of `SITE` only; may be given several times")
	flags.StringVar(&o.Snapshots, "snapshots", "", "back up into `FOLDER` of the server, which its path.repo must allow")
	flags.StringVar(&o.Kibana, "kibana", "", "`URL` of Kibana: put the dashboard there")
	flags.BoolVar(&o.Audit, "audit", false, "switch on what the server has of an audit log")
	flags.BoolVar(&o.Monitoring, "monitoring", false, "switch on the server's monitoring of itself")
	flags.StringVar(&o.Gateway.Name, "gateway", "", "make only the right of gateway `NAME` to write")
	flags.StringVar(&o.Gateway.File, "key-file", "", "write the gateway's API key or password to `FILE`, mode 600 (default NAME.api_key)")
	flags.StringVar(&o.Gateway.Keystore, "keystore", "", "put it into this keystore `FILE` instead, as "+setup.ElasticKeyName+" or "+setup.ElasticPasswordName)
	flags.BoolVar(&o.Gateway.New, "new-key", false, "make another API key or password for the gateway, and withdraw the earlier one")
}

// applyOnly are the flags of --apply.
var applyOnly = []string{"ca", "user", "password-file", "api-key-file", "keep", "replicas", "data-stream", "secrets", "site", "snapshots",
	"kibana", "audit", "monitoring", "gateway", "key-file", "keystore", "new-key"}

func (a *app) applyServer(cmd *cobra.Command, f *serverFlags) error {
	for _, name := range filesOnly {
		if cmd.Flags().Changed(name) {
			return fmt.Errorf("--%s is for a FOLDER, not for --apply", name)
		}
	}
	o := &f.apply
	if o.Gateway.Name != "" && o.Gateway.File == "" && o.Gateway.Keystore == "" {
		o.Gateway.File = o.Gateway.Name + ".api_key"
	}
	keep, err := parseDays(f.keep)
	if err != nil {
		return fmt.Errorf("--keep: %q must be a number of days, such as 90d", f.keep)
	}
	o.KeepDays = int(keep / (24 * time.Hour))
	if o.Auth, err = a.serverAuth(f); err != nil {
		return err
	}
	return o.Apply(cmd.Context(), &setup.Session{DryRun: f.dryRun, Out: a.stdout})
}

// serverAuth reads the secret that the flags name.
func (a *app) serverAuth(f *serverFlags) (string, error) {
	switch {
	case f.key != "" && (f.user != "" || f.password != ""):
		return "", errors.New("--api-key-file stands for --user and --password-file: give one of them")
	case (f.user == "") != (f.password == ""):
		return "", errors.New("--user and --password-file belong together")
	case f.key != "":
		key, err := a.secretFile("--api-key-file", f.key)
		if err != nil {
			return "", err
		}
		return setup.KeyAuth(key), nil
	case f.user != "":
		password, err := a.secretFile("--password-file", f.password)
		if err != nil {
			return "", err
		}
		return setup.BasicAuth(f.user, password), nil
	}
	return "", nil
}

// secretFile reads a secret of one line.
func (a *app) secretFile(flag, path string) (string, error) {
	in := a.stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return "", fmt.Errorf("%s: %w", flag, err)
		}
		defer file.Close()
		in = file
	}
	content, err := io.ReadAll(io.LimitReader(in, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("%s: %w", flag, err)
	}
	secret := strings.TrimRight(string(content), "\r\n")
	if secret == "" || len(content) > maxSecret || strings.ContainsAny(secret, "\r\n\x00") {
		return "", fmt.Errorf("%s: it must hold one line", flag)
	}
	return secret, nil
}
