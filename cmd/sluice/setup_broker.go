package main

import (
	"github.com/spf13/cobra"

	"sluice/internal/setup"
)

func (a *app) setupBrokerCommand() *cobra.Command {
	var f setupFlags
	var o setup.BrokerOptions
	var check, clientCerts bool
	cmd := &cobra.Command{
		Use: "broker", Short: "Set Mosquitto up as the broker, and try what it must refuse", Args: cobra.NoArgs,
		Long: `Set Mosquitto 2 up: one listener with TLS, passwords, rights for each user, and
queues on the disk that hold what comes while the recorder is away. The
certificate is that of "sluice setup pki". The user of the recorder is made; its
password goes into the keystore of the recorder on this machine, or into a file.

Lines of mosquitto.conf that would open another listener are taken out, as are
those that contradict; a second listener that was made on purpose stays, or ends
the setup. At the end clients without a password, with a wrong one, with old TLS
and others try to get in. The exit status is 1 if one of them is let in.

Run again, it keeps users, passwords and rights.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.setupSession(f)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("require-certificate") {
				o.ClientCerts = &clientCerts
			}
			if check {
				return setup.CheckBroker(cmd.Context(), s, o)
			}
			return setup.Broker(cmd.Context(), s, o)
		},
	}
	f.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&o.PKI, "pki", "", "`FOLDER`, or bundle, with ca.crt, broker.crt and broker.key (default /etc/sluice/pki)")
	flags.IntVar(&o.Port, "port", 0, "port of the listener (default: as installed, else 8883)")
	flags.StringVar(&o.Bind, "bind", "", "`ADDRESS` of the listener (default: as installed, else all)")
	flags.BoolVar(&clientCerts, "require-certificate", false, "let in only clients that show a certificate, too (default: as installed)")
	flags.BoolVar(&o.ReadSys, "read-sys", false, "let the recorder read $SYS, the broker's own numbers")
	flags.StringVar(&o.Host, "host", "", "`NAME` in the certificate that the checks ask for (default: an address in it, else a name)")
	flags.StringVar(&o.RecorderPasswordFile, "recorder-password-file", "", "`FILE` with the recorder's password, made if missing, for a recorder on another machine (default: the keystore of this one)")
	flags.BoolVar(&o.Rotate, "rotate", false, "give the recorder a new password")
	flags.BoolVar(&o.Install, "install", false, "install Mosquitto with apt-get if it is missing")
	flags.BoolVar(&o.NoStart, "no-start", false, "write the files only: neither start Mosquitto nor check it")
	flags.BoolVar(&check, "check", false, "make the checks only, and change nothing")
	return cmd
}
