package main

import (
	"context"

	"github.com/spf13/cobra"

	"sluice/internal/setup"
)

func (a *app) setupDeviceCommand() *cobra.Command {
	var f setupFlags
	var o setup.DeviceOptions
	var list, remove bool
	cmd := &cobra.Command{
		Use: "device NAME", Short: "Give a device a user of the broker, rights, and the header for its sketch",
		Long: `Make a user of the broker for the device NAME, with a password by chance. It may
write NAME/feeds/+/+, NAME/health and NAME/status, and nothing else unless
--topic and --read say so. The password goes into a header for the ESP8266's
sketch, with the authority's certificate: NAME-secrets.h, which only its owner can
read; the broker keeps a hash.

Run again, it keeps the password, and adds to the rights.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if list {
				return cobra.NoArgs(cmd, args)
			}
			return names(1, 1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.setupSession(f)
			if err != nil {
				return err
			}
			if list {
				return setup.Devices(s)
			}
			o.Name = args[0]
			return device(cmd.Context(), s, o, remove)
		},
	}
	f.register(cmd)
	flags := cmd.Flags()
	flags.StringArrayVar(&o.Topics, "topic", nil, "a further topic `FILTER` that it may write (again and again)")
	flags.StringArrayVar(&o.Reads, "read", nil, "a topic `FILTER` that it may read, such as commands to it (again and again)")
	flags.StringVar(&o.Header, "header", "", "`FILE` for the header (default NAME-secrets.h in the current folder)")
	flags.StringVar(&o.WLANName, "wlan-ssid", "", "`NAME` of the WLAN, for the header")
	flags.StringVar(&o.WLANPasswordFile, "wlan-password-file", "", "`FILE` with the password of the WLAN, for the header")
	flags.StringVar(&o.Host, "host", "", "the broker's `NAME` for the header, as in its certificate (default: an address in it, else a name)")
	flags.BoolVar(&o.Rotate, "rotate", false, "give it a new password: the device must then be flashed")
	flags.BoolVar(&o.NoStart, "no-start", false, "write the files only: neither tell Mosquitto nor check it")
	flags.BoolVar(&list, "list", false, "list the users with their rights")
	flags.BoolVar(&remove, "remove", false, "take its user and rights out")
	cmd.MarkFlagsMutuallyExclusive("list", "remove", "rotate")
	return cmd
}

func device(ctx context.Context, s *setup.Session, o setup.DeviceOptions, remove bool) error {
	if remove {
		return setup.RemoveDevice(ctx, s, o)
	}
	return setup.Device(ctx, s, o)
}
