package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"sluice/config"
	"sluice/internal/keystore"
)

// maxSecret bounds a secret that is read from standard input.
const maxSecret = 1 << 20

func (a *app) keystoreCommand() *cobra.Command {
	var force, stdin bool
	create := &cobra.Command{
		Use: "create", Short: "Make an empty keystore", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.createKeystore(force) },
	}
	create.Flags().BoolVar(&force, "force", false, "replace a keystore that is there, without asking")
	add := &cobra.Command{
		Use: "add KEY", Short: "Add a secret, or change it", Args: oneKey,
		Long: `Add the secret KEY, or change it: in the configuration, ${KEY} stands for it.
The secret is asked for on the terminal, or read from standard input (--stdin):
all of it, but for one line end at the end.`,
		RunE: func(_ *cobra.Command, args []string) error { return a.addKey(args[0], force, stdin) },
	}
	add.Flags().BoolVar(&force, "force", false, "replace a secret that is there, and make a missing keystore, without asking")
	add.Flags().BoolVar(&stdin, "stdin", false, "read the secret from standard input")
	return group("keystore", "Keep secrets that the configuration names as ${KEY}", create, add,
		&cobra.Command{
			Use: "list", Short: "List the keys", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error { return a.listKeys() },
		},
		&cobra.Command{
			Use: "remove KEY", Short: "Remove a secret", Args: oneKey,
			RunE: func(_ *cobra.Command, args []string) error { return a.removeKey(args[0]) },
		})
}

func oneKey(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%s needs one KEY, found %d", cmd.CommandPath(), len(args))
	}
	return nil
}

// keystorePath finds the keystore. References of the configuration may lead to
// keys that are still to be added, so it is not loaded.
func (a *app) keystorePath() (string, error) {
	files, err := a.configFiles()
	if errors.Is(err, errNoConfig) {
		files, err = nil, nil
	}
	if err != nil {
		return "", err
	}
	if a.brand == config.Filebeat && len(a.configs) == 0 {
		if _, err := os.Stat(files[0]); err != nil {
			files = nil
		}
	}
	if err := a.checkPermissions(files); err != nil {
		return "", err
	}
	o, err := a.options()
	if err != nil {
		return "", err
	}
	return o.KeystoreFile(files, a.settings())
}

func (a *app) createKeystore(force bool) error {
	path, err := a.keystorePath()
	if err != nil {
		return err
	}
	if keystore.Exists(path) && !force {
		yes, err := a.confirm("A keystore already exists; overwrite it, with all its secrets?")
		if err != nil {
			return fmt.Errorf("%s exists: %w, or use --force", path, err)
		}
		if !yes {
			_, err := fmt.Fprintln(a.stdout, "The keystore was not changed.")
			return err
		}
	}
	if _, err := makeKeystore(path); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "Created %s keystore\n", a.brand)
	return err
}

// makeKeystore makes an empty keystore, and its folder when that is missing.
func makeKeystore(path string) (*keystore.Store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("folder of the keystore: %w", err)
	}
	return keystore.Create(path)
}

// openKeystore opens the keystore that the configuration names.
func (a *app) openKeystore() (*keystore.Store, error) {
	path, err := a.keystorePath()
	if err != nil {
		return nil, err
	}
	if !keystore.Exists(path) {
		return nil, fmt.Errorf("there is no keystore at %s; make one with \"%s keystore create\"", path, a.brand)
	}
	return keystore.Open(path)
}

func (a *app) addKey(name string, force, fromStdin bool) error {
	path, err := a.keystorePath()
	if err != nil {
		return err
	}
	if !keystore.Exists(path) && !force {
		if yes, err := a.offerKeystore(path, fromStdin); !yes {
			return err
		}
	}
	store, err := openOrMake(path)
	if err != nil {
		return err
	}
	if _, there := store.Get(name); there && !force {
		if fromStdin {
			return fmt.Errorf("%s is in the keystore already; --force replaces it", name)
		}
		yes, err := a.confirm(name + " is in the keystore already; overwrite it?")
		if err != nil {
			return fmt.Errorf("%s is in the keystore already: %w, or use --force", name, err)
		}
		if !yes {
			_, err := fmt.Fprintln(a.stdout, "The keystore was not changed.")
			return err
		}
	}
	secret, err := a.secret(name, fromStdin)
	if err != nil {
		return err
	}
	if err := store.Set(name, secret); err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.stdout, "Successfully updated the keystore")
	return err
}

func openOrMake(path string) (*keystore.Store, error) {
	if keystore.Exists(path) {
		return keystore.Open(path)
	}
	return makeKeystore(path)
}

// offerKeystore asks whether a missing keystore shall be made; it can't when
// standard input holds the secret.
func (a *app) offerKeystore(path string, fromStdin bool) (yes bool, err error) {
	missing := fmt.Errorf("there is no keystore at %s; make one with \"%s keystore create\", or use --force", path, a.brand)
	if fromStdin {
		return false, missing
	}
	if yes, err = a.confirm("The keystore does not exist; create it?"); err != nil {
		return false, missing
	}
	if !yes {
		_, err = fmt.Fprintln(a.stdout, "No keystore was created.")
	}
	return yes, err
}

// secret reads a secret: hidden on a terminal, or all of standard input.
func (a *app) secret(name string, fromStdin bool) (string, error) {
	if fromStdin {
		data, err := io.ReadAll(io.LimitReader(a.stdin, maxSecret+1))
		if err != nil {
			return "", fmt.Errorf("read the secret from standard input: %w", err)
		}
		if len(data) > maxSecret {
			return "", fmt.Errorf("the secret is longer than %d bytes", maxSecret)
		}
		text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
		if text == "" {
			return "", fmt.Errorf("standard input is empty; write the secret to it")
		}
		return text, nil
	}
	f, ok := a.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return "", fmt.Errorf("standard input is no terminal; use --stdin to read the secret from it")
	}
	fmt.Fprintf(a.stdout, "Enter value for %s: ", name)
	data, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(a.stdout)
	if err != nil {
		return "", fmt.Errorf("read the secret from the terminal: %w", err)
	}
	if len(data) == 0 {
		return "", fmt.Errorf("the secret is empty; nothing was changed")
	}
	return string(data), nil
}

// confirm asks a question; no is the default. Without an answer it fails.
func (a *app) confirm(question string) (bool, error) {
	fmt.Fprintf(a.stdout, "%s [y/N]: ", question)
	line, err := readLine(a.stdin)
	if err != nil {
		fmt.Fprintln(a.stdout)
		return false, fmt.Errorf("nobody answers on standard input")
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return true, nil
	}
	return false, nil
}

// readLine reads one line and nothing behind it, which the next question may
// want.
func readLine(r io.Reader) (string, error) {
	var line []byte
	for one := make([]byte, 1); ; {
		n, err := r.Read(one)
		if n == 1 && one[0] != '\n' {
			line = append(line, one[0])
			continue
		}
		if n == 1 || err != nil && len(line) > 0 {
			return string(line), nil
		}
		if err != nil {
			return "", err
		}
	}
}

func (a *app) listKeys() error {
	store, err := a.openKeystore()
	if err != nil {
		return err
	}
	for _, name := range store.List() {
		fmt.Fprintln(a.stdout, name)
	}
	return nil
}

func (a *app) removeKey(name string) error {
	store, err := a.openKeystore()
	if err != nil {
		return err
	}
	if err := store.Remove(name); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "Successfully removed key: %s\n", name)
	return err
}
