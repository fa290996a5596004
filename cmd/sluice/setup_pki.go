package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sluice/internal/pki"
	"sluice/internal/setup"
)

// pkiFlags are those of the commands that change a folder of certificates.
type pkiFlags struct {
	setupFlags
	dir string
}

const pkiHelp = `Make and renew the certificates of a plant: its own certificate authority, and
what that signs for the broker, Logstash, gateways and the VPN.

They lie in one folder (--dir), on any machine: the gateway, the server, or
neither. Other machines get theirs as a bundle. The folder has the authority's
private key: back it up, and keep it from others.`

func (a *app) setupPKICommand() *cobra.Command {
	cmd := group("pki", "Make, renew, show, revoke and hand over certificates",
		a.pkiInitCommand(), a.pkiIssueCommand(), a.pkiRenewCommand(), a.pkiShowCommand(),
		a.pkiRevokeCommand(), a.pkiBundleCommand(), a.pkiUnpackCommand())
	cmd.Long = pkiHelp
	return cmd
}

func (f *pkiFlags) register(cmd *cobra.Command) {
	f.setupFlags.register(cmd)
	f.registerDir(cmd)
}

func (f *pkiFlags) registerDir(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.dir, "dir", pki.DefaultDir, "`FOLDER` of the certificates")
}

// pki returns the folder and a session. Root's rights are needed for the usual
// folder only: another one may be anybody's.
func (a *app) pki(f pkiFlags) (setup.PKI, *setup.Session, error) {
	p := setup.PKI{Dir: f.dir}
	if f.root != "" || f.dir == pki.DefaultDir {
		s, err := a.setupSession(f.setupFlags)
		return p, s, err
	}
	dir, err := filepath.Abs(f.dir)
	p.Dir = dir
	return p, &setup.Session{DryRun: f.dryRun, Out: a.stdout}, err
}

func (a *app) pkiInitCommand() *cobra.Command {
	var f pkiFlags
	var name string
	var days int
	cmd := &cobra.Command{
		Use: "init", Short: "Make the certificate authority", Args: cobra.NoArgs,
		Long: fmt.Sprintf(`Make the certificate authority: ca.crt, which every machine and device gets,
and ca.key, which stays. "setup pki issue" does it too, when there is none.

It is valid for %d days (20 years): devices have it in their flash.`, pki.CADays),
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, s, err := a.pki(f)
			if err != nil {
				return err
			}
			return p.Init(cmd.Context(), s, name, days)
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "`NAME` of the authority; else \"sluice CA of\" this machine")
	cmd.Flags().IntVar(&days, "days", pki.CADays, "`DAYS` that it is valid")
	f.register(cmd)
	return cmd
}

func (a *app) pkiIssueCommand() *cobra.Command {
	var f pkiFlags
	var use string
	var o setup.Issue
	cmd := &cobra.Command{
		Use: "issue NAME", Short: "Make a certificate", Args: names(1, 1),
		Long: `Make a certificate with its private key. One that is there stays, unless it has
ended, is revoked, or --host or --use ask for something else.

  broker      server; its hosts are the names and addresses of this machine
  logstash    server; it needs --host
  vpn-server  server
  any other   client: the name of a gateway, for Logstash and the VPN

An address counts as a name, too, for devices that know names only. The default
of --days is 10 years: on a plant, what nobody renewed stands still.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if o.Name = args[0]; use != "" {
				if o.Use, err = pki.ParseUse(use); err != nil {
					return err
				}
			}
			p, s, err := a.pki(f)
			if err != nil {
				return err
			}
			return p.Issue(cmd.Context(), s, o)
		},
	}
	cmd.Flags().StringArrayVar(&o.Hosts, "host", nil, "a name or address by which clients reach the `HOST`, instead of the defaults; may be given several times")
	cmd.Flags().StringVar(&use, "use", "", "`USE`: server, client or both")
	cmd.Flags().IntVar(&o.Days, "days", pki.DefaultDays, "`DAYS` that a new certificate is valid, at most until the authority ends")
	f.register(cmd)
	return cmd
}

func (a *app) pkiRenewCommand() *cobra.Command {
	var f pkiFlags
	var o setup.Renew
	var all bool
	var within string
	cmd := &cobra.Command{
		Use: "renew [NAME…]", Short: "Make certificates anew, with their hosts and uses", Args: names(0, -1),
		Long: `Make certificates anew, with their hosts and uses, for the same private keys. It
says who must get the new files. The old ones stay as NAME.crt.bak-TIME, and
valid; "setup pki revoke" revokes them, too.

For a timer: sluice setup pki renew --all --within 90d`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return errors.New("setup pki renew needs names, or --all, and not both")
			}
			o.Names = args
			var err error
			if within != "" {
				if o.Within, err = parseDays(within); err != nil {
					return err
				}
			}
			p, s, err := a.pki(f)
			if err != nil {
				return err
			}
			return p.Renew(cmd.Context(), s, o)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "renew all but the revoked")
	cmd.Flags().StringVar(&within, "within", "", "leave what is valid for longer than `DAYS`, such as 90d")
	cmd.Flags().BoolVar(&o.NewKey, "new-key", false, "make a new private key, too")
	cmd.Flags().IntVar(&o.Days, "days", pki.DefaultDays, "`DAYS` that the new certificates are valid, at most until the authority ends")
	f.register(cmd)
	return cmd
}

func (a *app) pkiRevokeCommand() *cobra.Command {
	var f pkiFlags
	cmd := &cobra.Command{
		Use: "revoke NAME…", Short: "Put certificates into the list of revoked ones, ca.crl", Args: names(1, -1),
		Long: `Put the certificate of NAME, and its earlier ones of which backups are there, into
the list ca.crl. It is of use where a server reads it: crl-verify of OpenVPN,
crlfile of Mosquitto. Logstash can't. The list ends with the authority.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, s, err := a.pki(f)
			if err != nil {
				return err
			}
			return p.Revoke(cmd.Context(), s, args)
		},
	}
	f.register(cmd)
	return cmd
}

func (a *app) pkiBundleCommand() *cobra.Command {
	var f pkiFlags
	cmd := &cobra.Command{
		Use: "bundle NAME [FILE]", Short: "Write what a machine needs to one file, to carry it there", Args: names(1, 2),
		Long: `Write ca.crt, NAME.crt and NAME.key to one file of mode 600, by default
./NAME.bundle.pem. On the other machine "sluice setup gateway --bundle FILE" or
"sluice setup pki unpack FILE FOLDER" read it. It has the private key.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			file := args[0] + ".bundle.pem"
			if len(args) == 2 {
				file = args[1]
			}
			p, s, err := a.pki(f)
			if err != nil {
				return err
			}
			if file, err = inRoot(s, file); err != nil {
				return err
			}
			return p.Bundle(cmd.Context(), s, args[0], file)
		},
	}
	f.register(cmd)
	return cmd
}

func (a *app) pkiUnpackCommand() *cobra.Command {
	var f setupFlags
	var owner string
	cmd := &cobra.Command{
		Use: "unpack FILE FOLDER", Short: "Write what a bundle has into a folder", Args: names(2, 2),
		Long: `Write ca.crt, NAME.crt and NAME.key (PKCS#8, mode 400), and ca.crl if there is one,
from a bundle into a folder, for example for Logstash:
  sluice setup pki unpack logstash.bundle.pem /etc/logstash/sluice --owner logstash`,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.setupSession(f)
			if err != nil {
				return err
			}
			dir, err := inRoot(s, args[1])
			if err != nil {
				return err
			}
			user, group, found := strings.Cut(owner, ":")
			if !found {
				group = user
			}
			return s.Unpack(cmd.Context(), args[0], dir, setup.Owner{User: user, Group: group})
		},
	}
	cmd.Flags().StringVar(&owner, "owner", "root", "`USER[:GROUP]` that the files belong to")
	f.register(cmd)
	return cmd
}

// inRoot makes a path absolute; with a root it is one below that.
func inRoot(s *setup.Session, path string) (string, error) {
	if s.Root != "" {
		return path, nil
	}
	return filepath.Abs(path)
}

// names wants a number of arguments; at most -1: any.
func names(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			_, want, _ := strings.Cut(cmd.Use, " ")
			return fmt.Errorf("%s wants %s, found %d arguments", cmd.CommandPath(), want, len(args))
		}
		return nil
	}
}

// parseDays reads a number of days, such as 30d or 30.
func parseDays(text string) (time.Duration, error) {
	n, err := strconv.ParseUint(strings.TrimSuffix(text, "d"), 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("--within: %q must be a number of days, such as 30d", text)
	}
	return time.Duration(n) * 24 * time.Hour, nil
}
