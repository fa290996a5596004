// Command genref writes sluice.reference.yml from the doc comments and
// defaults of all options. It runs in the folder of package config.
package main

import (
	"bytes"
	"fmt"
	"os"

	"sluice/config/internal/reference"
)

func main() {
	var b bytes.Buffer
	if err := reference.Write(&b, ".."); err != nil {
		fmt.Fprintln(os.Stderr, "genref:", err)
		os.Exit(1)
	}
	if err := os.WriteFile("sluice.reference.yml", b.Bytes(), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "genref:", err)
		os.Exit(1)
	}
}
