package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sluice/internal/pki"
)

func (a *app) pkiShowCommand() *cobra.Command {
	var f pkiFlags
	var asJSON, check bool
	var within string
	cmd := &cobra.Command{
		Use: "show [NAME…]", Short: "List certificates with their ends and fingerprints", Args: names(0, -1),
		Long: `List certificates: use, hosts, end, state and fingerprints. Of a state that is
not ok or revoked, standard error tells the mend.

With --check only what is at fault, or ends within --within, is told, and then the
exit status is 1. For cron, which mails what is printed:
  sluice setup pki show --check --within 90d`,
		RunE: func(_ *cobra.Command, args []string) error {
			limit, err := parseDays(within)
			if err != nil {
				return err
			}
			list, err := a.pkiStatus(f, args, check)
			if err != nil {
				return err
			}
			switch {
			case asJSON:
				err = json.NewEncoder(a.stdout).Encode(list)
			case !check:
				err = writeCertificates(a.stdout, list)
			}
			if err != nil {
				return err
			}
			return a.tellFaults(list, check, limit)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	cmd.Flags().BoolVar(&check, "check", false, "tell only what is at fault or ends soon, and fail then")
	cmd.Flags().StringVar(&within, "within", "30d", "what ends soon, for --check: within `DAYS`")
	cmd.Flags().StringVar(&f.root, "root", "", "look into the system below `FOLDER`")
	f.registerDir(cmd)
	return cmd
}

// pkiStatus is what is known of names; without names: of all. A wrong clock is an
// error for a check, and else a warning.
func (a *app) pkiStatus(f pkiFlags, names []string, check bool) ([]pki.Status, error) {
	f.dryRun = true // it changes nothing, and needs no rights but those to read
	p, s, err := a.pki(f)
	if err != nil {
		return nil, err
	}
	authority, err := p.Open(s)
	if err != nil {
		return nil, err
	}
	if err := authority.CheckClock(); err != nil && check {
		return nil, err
	} else if err != nil {
		fmt.Fprintf(a.stderr, "warning: %s\n", err)
	}
	list, err := authority.Status()
	if err != nil || len(names) == 0 {
		return list, err
	}
	var chosen []pki.Status
	for _, name := range names {
		i := slices.IndexFunc(list, func(s pki.Status) bool { return s.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("%s has no certificate of %q", p.Dir, name)
		}
		chosen = append(chosen, list[i])
	}
	return chosen, nil
}

// tellFaults prints faults to standard error; with check also what ends soon, and
// it fails if there is anything.
func (a *app) tellFaults(list []pki.Status, check bool, within time.Duration) error {
	found := false
	for _, s := range list {
		soon := s.State == pki.StateOK && time.Until(s.NotAfter) < within
		switch {
		case s.Fault != "":
			fmt.Fprintf(a.stderr, "%s: %s\n", s.State, oneLine(s.Fault))
		case soon && check:
			fmt.Fprintf(a.stderr, "%s ends in %d days, on %s: renew it\n", s.Name, s.Days, s.NotAfter.Format(time.DateOnly))
		default:
			continue
		}
		found = true
	}
	if found && check {
		return silentError{}
	}
	return nil
}

// writeCertificates writes a table, and another with the fingerprints.
func writeCertificates(w io.Writer, list []pki.Status) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tUSE\tEND\tDAYS\tSTATE\tHOSTS")
	for _, s := range list {
		if s.SHA256 == "" {
			fmt.Fprintf(t, "%s\t-\t-\t-\t%s\t-\n", s.Name, s.State)
			continue
		}
		hosts := strings.Join(s.Hosts, " ")
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\n", s.Name, s.Use, s.NotAfter.Format(time.DateOnly), s.Days, s.State, or(printable(hosts), "-"))
	}
	fmt.Fprintln(t)
	for _, s := range list {
		if s.SHA256 != "" {
			fmt.Fprintf(t, "%s\tSHA-256\t%s\n\tSHA-1\t%s\n", s.Name, s.SHA256, s.SHA1)
		}
	}
	return t.Flush()
}
