package config

import (
	"io"
	"strings"

	"sluice/config/internal/render"
)

// Write writes the configuration with all its defaults as YAML that Load
// reads back. Secrets are replaced by "<hidden>".
func (c *Config) Write(w io.Writer) error {
	r := render.Writer{Shown: c.shown()}
	return r.Write(w, c)
}

// Export writes what the files and overrides give, merged, with all
// references resolved and the folders of path.* filled in, the names sorted:
// what "filebeat export config" prints. Secrets are replaced by "<hidden>".
func (c *Config) Export(w io.Writer) error {
	root := newMap(position{})
	if c.root != nil {
		for _, m := range c.root.members {
			root.set(m.key, m.at, m.value)
		}
	}
	paths := newMap(position{})
	for name, value := range map[string]string{"home": c.Path.Home, "config": c.Path.Config, "data": c.Path.Data, "logs": c.Path.Logs} {
		paths.set(name, position{}, &node{kind: scalarKind, text: value})
	}
	root.set("path", position{}, paths)
	return render.Tree(w, c.tree(root, "", c.shown()))
}

// tree makes a value for render of a node: scalars become YAML texts.
func (c *Config) tree(n *node, name string, shown func(name, text string) string) any {
	switch n.kind {
	case listKind:
		list := make([]any, len(n.items))
		for i, item := range n.items {
			list[i] = c.tree(item, name, shown)
		}
		return list
	case mapKind:
		table := make(map[string]any, len(n.members))
		for _, m := range n.members {
			table[m.key] = c.tree(m.value, join(name, m.key), shown)
		}
		return table
	case scalarKind:
		text := shown(name, n.text)
		if _, isText := untyped(n).(string); text == n.text && !isText {
			return text
		}
		return render.Quote(text)
	}
	return "null"
}

// shown returns the function that hides secrets in dumps: those of options
// that are known for it, and those that came from the keystore.
func (c *Config) shown() func(name, text string) string {
	return func(name, text string) string {
		text = shown(name, text)
		if c.source.vault == nil {
			return text
		}
		for _, secret := range c.source.vault.given {
			text = strings.ReplaceAll(text, secret, hidden)
		}
		return text
	}
}
