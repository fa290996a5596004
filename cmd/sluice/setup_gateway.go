package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sluice/internal/setup"
	"sluice/recorder"
)

const setupGatewayHelp = `Turns this machine into a gateway: program and units (where no package has
installed them), users, certificates, secrets, /etc/sluice/sluice.yml, services.
At the end it tries what it can: that the configuration is good with what the
services get, that they run, and that broker and Logstash are reached.

It can be run again. Flags that are not given then are as in the run before; what
is given takes the place of what was, a list as a whole; none takes it back. A sluice.yml that was edited by hand is left alone, and
setup's own is put beside it as sluice.yml.new.

Certificates come from --bundle, from --pki, or from /etc/sluice/pki ("sluice setup
pki"); the recorder's password from --mqtt-password-file, or from the keystore,
where "sluice setup broker" has put it.`

type gatewayFlags struct {
	setupFlags
	o            setup.GatewayOptions
	passwordFile string
	vpn, tunnel  string // files
}

func (a *app) setupGatewayCommand() *cobra.Command {
	var f gatewayFlags
	cmd := &cobra.Command{
		Use: "gateway", Short: "One configuration file, units, first start", Long: setupGatewayHelp, Args: cobra.NoArgs,
		Example: `  sluice setup gateway --site "plant 4" --logstash 10.8.0.1:5044
  sluice setup gateway --serial usb:2341:0043,115200   # in addition to the above
  sluice setup gateway --serial list`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.setupGateway(cmd.Context(), cmd.Flags(), &f) },
	}
	f.register(cmd)
	flags, o := cmd.Flags(), &f.o
	flags.StringVar(&o.Name, "name", "", "`NAME` of the gateway in its events (default: the host name)")
	flags.StringVar(&o.Site, "site", "", "`PLACE` of the gateway, in its events")
	flags.StringVar(&o.Broker, "broker", "mqtts://localhost:8883", "`URL` of the MQTT broker to record from, or none")
	flags.StringArrayVar(&o.Topics, "topics", []string{"#"}, "topic `FILTER` to record; may be given several times")
	flags.StringVar(&o.MQTTUser, "mqtt-user", "recorder", "`USER` of the recorder at the broker, or none")
	flags.StringVar(&o.ClientID, "client-id", "", "`NAME` of the recorder's session at the broker, or none (default at the first run: one by chance)")
	flags.StringVar(&o.Format, "format", "", "`FORMAT` of a message's line: json, or one of mosquitto_sub such as \"@FT@T@z,%t,%p\" (default json)")
	flags.StringVar(&f.passwordFile, "mqtt-password-file", "", "`FILE` with that user's password, - for standard input")
	flags.StringArrayVar(&o.Serial, "serial", nil, "serial port to record, `PORT[,BAUD]`; list shows what there is; may be given several times")
	flags.StringArrayVar(&o.Logs, "logs", nil, "`GLOB` of further files to ship; may be given several times")
	flags.StringArrayVar(&o.Logstash, "logstash", nil, "Logstash server, `HOST:PORT`; may be given several times")
	flags.StringVar(&o.Files.Bundle, "bundle", "", "`FILE` with authority, certificate and key (sluice setup pki bundle)")
	flags.StringVar(&o.Files.PKI, "pki", "", "`FOLDER` with ca.crt and the gateway's certificate and key (default /etc/sluice/pki, if there)")
	flags.StringVar(&o.Cert, "cert", "", "`NAME` of the gateway's certificate (default: that of the gateway, or gateway)")
	flags.StringVar(&o.MaxSpool, "max-spool", "", "most `BYTES` of the spool, such as 2GiB, or none (default: what the disk has)")
	flags.StringVar(&o.Keep, "keep", "48h", "`TIME` that a shipped segment is kept")
	flags.StringVar(&f.vpn, "vpn", "", "OpenVPN profile `FILE` to install and start")
	flags.StringVar(&f.tunnel, "wireguard", "", "`FILE` of wg-quick to install and start")
	flags.BoolVar(&o.Overwrite, "overwrite", false, "replace a sluice.yml that was edited by hand, after a backup")
	flags.BoolVar(&o.NoStart, "no-start", false, "enable the services, and start none")
	flags.BoolVar(&o.NoUnits, "no-units", false, "install, enable and start no service")
	return cmd
}

func (a *app) setupGateway(ctx context.Context, flags *pflag.FlagSet, f *gatewayFlags) error {
	if len(f.o.Serial) == 1 && f.o.Serial[0] == "list" {
		list, err := recorder.Ports()
		if err != nil {
			return fmt.Errorf("list the serial ports: %w", err)
		}
		return a.writePorts(list)
	}
	s, err := a.setupSession(f.setupFlags)
	if err != nil {
		return err
	}
	first, err := remember(flags, s)
	if err != nil {
		return err
	}
	if err := a.gatewayFiles(f); err != nil {
		return err
	}
	if f.o.Name == "" {
		if f.o.Name, err = gatewayName(s); err != nil {
			return err
		}
	}
	// An image is for many machines: there the recorder's own default holds, which has
	// the machine's name.
	if first && f.o.ClientID == "" && s.Root == "" {
		f.o.ClientID = "sluice-" + f.o.Name + "-" + strings.ToLower(rand.Text()[:clientIDLength])
	}
	return setup.Gateway(ctx, s, f.o)
}

// clientIDLength is how many characters of a client id are by chance, 5 bits each.
const clientIDLength = 16

// remember sets the flags that are not given to what an earlier run was told; first
// says that there was none.
func remember(flags *pflag.FlagSet, s *setup.Session) (first bool, err error) {
	text, err := s.ReadFile(setup.GatewayConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	for name, values := range setup.Remembered(text) {
		if !setup.Rememberable(name) || flags.Changed(name) {
			continue
		}
		for _, value := range values {
			if err := flags.Set(name, value); err != nil {
				return false, fmt.Errorf("%s: its comment with the flag --%s: %w", setup.GatewayConfig, name, err)
			}
		}
	}
	return false, nil
}

// gatewayFiles reads the files that flags name.
func (a *app) gatewayFiles(f *gatewayFlags) (err error) {
	if f.vpn != "" {
		if f.o.OpenVPN, err = os.ReadFile(f.vpn); err != nil {
			return fmt.Errorf("--vpn: %w", err)
		}
	}
	if f.tunnel != "" {
		if f.o.WireGuard, err = os.ReadFile(f.tunnel); err != nil {
			return fmt.Errorf("--wireguard: %w", err)
		}
	}
	if f.o.Program, err = os.Executable(); err != nil {
		return fmt.Errorf("find this program, to install it: %w", err)
	}
	if f.passwordFile == "" {
		return nil
	}
	in := a.stdin
	if f.passwordFile != "-" {
		file, err := os.Open(f.passwordFile)
		if err != nil {
			return fmt.Errorf("--mqtt-password-file: %w", err)
		}
		defer file.Close()
		in = file
	}
	password, err := io.ReadAll(io.LimitReader(in, maxSecret+1))
	if err != nil {
		return fmt.Errorf("--mqtt-password-file: %w", err)
	}
	f.o.MQTTPassword = strings.TrimRight(string(password), "\r\n")
	if f.o.MQTTPassword == "" || len(password) > maxSecret || strings.ContainsAny(f.o.MQTTPassword, "\r\n\x00") {
		return errors.New("--mqtt-password-file: must hold a password in one line")
	}
	return nil
}

// gatewayName is the machine's name: below another root that of its file.
func gatewayName(s *setup.Session) (string, error) {
	if s.Root == "" {
		return os.Hostname()
	}
	text, err := s.ReadFile("/etc/hostname")
	if err != nil || strings.TrimSpace(string(text)) == "" {
		return "", fmt.Errorf("the machine below %s has no name in /etc/hostname: give --name NAME", s.Root)
	}
	return strings.TrimSpace(string(text)), nil
}
