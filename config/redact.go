package config

import (
	"net/url"
	"slices"
	"strings"
)

// hidden replaces secret values in dumps and messages.
const hidden = "<hidden>"

// shown returns what a dump shows of a text option: nothing of secrets,
// nothing of passwords in URLs and of inline private keys.
func shown(name, text string) string {
	switch {
	case text == "":
		return text
	case isSecret(name), strings.Contains(text, "PRIVATE KEY"):
		return hidden
	}
	if scheme, rest, ok := strings.Cut(text, "://"); ok && strings.Contains(rest, "@") {
		if u, err := url.Parse(text); err == nil {
			if _, has := u.User.Password(); has {
				return u.Redacted()
			}
			return text
		}
		return scheme + "://" + hidden
	}
	return text
}

// secretsOf collects all secret values of a tree, so that no message of any
// package can let one slip.
func secretsOf(root *node) []string {
	var list []string
	var visit func(n *node, name string)
	visit = func(n *node, name string) {
		switch n.kind {
		case scalarKind:
			if isSecret(name) && isReference(n.text) {
				return // a message must name the variable that is missing
			}
			if isSecret(name) || strings.Contains(n.text, "PRIVATE KEY") {
				list = append(list, n.text)
			} else if u, err := url.Parse(n.text); err == nil && u.User != nil {
				if p, ok := u.User.Password(); ok {
					list = append(list, p)
				}
			}
		case listKind:
			for _, item := range n.items {
				visit(item, name)
			}
		case mapKind:
			for _, m := range n.members {
				visit(m.value, join(name, m.key))
			}
		}
	}
	if root != nil {
		visit(root, "")
	}
	return slices.DeleteFunc(list, func(s string) bool { return len(s) < shortest })
}

// shortest is the length of the least secret that messages are searched for;
// shorter ones would tear other words apart.
const shortest = 4

// isReference tells whether a text is one reference, ${NAME} or
// ${NAME:?message}, and nothing else: no secret by itself, as a default is.
func isReference(text string) bool {
	inner, ok := strings.CutPrefix(text, "${")
	if !ok || !strings.HasSuffix(inner, "}") || strings.ContainsAny(inner[:len(inner)-1], "${}") {
		return false
	}
	_, rest, colon := strings.Cut(inner, ":")
	return !colon || strings.HasPrefix(rest, "?")
}

// hideSecrets removes secret values from the texts of faults.
func hideSecrets(list Errors, secrets []string) {
	for _, e := range list {
		for _, s := range secrets {
			e.Fault = strings.ReplaceAll(e.Fault, s, hidden)
		}
	}
}
