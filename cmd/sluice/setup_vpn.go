package main

import (
	"github.com/spf13/cobra"

	"sluice/internal/pki"
	"sluice/internal/setup"
)

func (a *app) setupVPNCommand() *cobra.Command {
	cmd := group("vpn", "Make the gateway's file of a VPN", a.vpnOpenVPNCommand(), a.vpnWireGuardCommand())
	cmd.Long = `Make the file that a gateway needs to reach its server by OpenVPN or WireGuard.
"setup gateway" installs it. The servers are set up by the scripts openvpn-server
and wireguard-server.`
	return cmd
}

func (a *app) vpnOpenVPNCommand() *cobra.Command {
	var f pkiFlags
	var c setup.OpenVPNClient
	cmd := &cobra.Command{
		Use: "openvpn NAME [FILE]", Short: "Write a gateway's OpenVPN profile", Args: names(1, 2),
		Long: `Write the OpenVPN profile of gateway NAME to a file of mode 600, by default
./NAME.ovpn, with its certificate and key of "setup pki issue NAME" inside. The
first one also makes openvpn.tls-crypt in the folder of certificates, a key that
the server and all gateways share.`,
		Example: `  sluice setup vpn openvpn gateway1 --server vpn.example.com`,
		RunE: func(cmd *cobra.Command, args []string) error {
			file := args[0] + ".ovpn"
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
			return p.OpenVPN(cmd.Context(), s, args[0], file, c)
		},
	}
	cmd.Flags().StringVar(&c.Remote, "server", "", "name or address of the server, as the gateway reaches the `HOST`; needed")
	cmd.Flags().IntVar(&c.Port, "port", setup.OpenVPNPort, "UDP `PORT` of the server")
	f.register(cmd)
	return cmd
}

func (a *app) vpnWireGuardCommand() *cobra.Command {
	var f setupFlags
	var g setup.WireGuardGateway
	cmd := &cobra.Command{
		Use: "wireguard NAME [FILE]", Short: "Write a gateway's WireGuard file, with a key of its own", Args: names(1, 2),
		Long: `Write the file for wg-quick of gateway NAME, by default ./NAME.wg.conf, with mode
600. Run it on the gateway: its private key is made there, and stays there. A file
that is there keeps its key.`,
		Example: `  sluice setup vpn wireguard gateway1 --server vpn.example.com --server-key KEY --address 10.8.0.2/24`,
		RunE: func(cmd *cobra.Command, args []string) error {
			file := args[0] + ".wg.conf"
			if len(args) == 2 {
				file = args[1]
			}
			g.Name = args[0]
			if err := pki.CheckName(g.Name); err != nil {
				return err
			}
			s := &setup.Session{DryRun: f.dryRun, Out: a.stdout}
			var err error
			if f.root != "" {
				if s, err = a.setupSession(f); err != nil {
					return err
				}
			}
			if file, err = inRoot(s, file); err != nil {
				return err
			}
			return setup.WireGuard(cmd.Context(), s, file, g)
		},
	}
	cmd.Flags().StringVar(&g.Server, "server", "", "server, as the gateway reaches it, `HOST[:PORT]`; needed")
	cmd.Flags().StringVar(&g.ServerKey, "server-key", "", "public `KEY` of the server; needed")
	cmd.Flags().StringVar(&g.Address, "address", "", "`ADDRESS/LENGTH` of the gateway in the VPN, such as 10.8.0.2/24; needed")
	f.register(cmd)
	return cmd
}
