package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sluice/recorder"
)

// portsCommand lists what recorder.serial may record from.
func (a *app) portsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ports",
		Short: "List the serial ports, and what to write into recorder.serial",
		Long: `Lists the serial ports of this machine: the device, a USB device's vendor,
product and serial number, what it calls itself, and what to write into the
option port of recorder.serial, so that the port is found again when devices are
plugged in another order. No port is opened.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			list, err := recorder.Ports()
			if err != nil {
				return fmt.Errorf("list the serial ports: %w", err)
			}
			if asJSON {
				return json.NewEncoder(a.stdout).Encode(append([]recorder.Port{}, list...))
			}
			return a.writePorts(list)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return cmd
}

func (a *app) writePorts(list []recorder.Port) error {
	if len(list) == 0 {
		fmt.Fprintln(a.stderr, "there is no serial port")
		return nil
	}
	t := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "DEVICE\tUSB ID\tNAME\tPORT")
	for i := range list {
		p := &list[i]
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", p.Device, or(printable(p.ID()), "-"), or(printable(p.Name), "-"), printable(p.Write))
	}
	return t.Flush()
}
