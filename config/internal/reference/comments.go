package reference

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
)

// Comments finds the doc comments of struct fields in the sources.
type Comments struct {
	// Root is the module's folder, Module its name.
	Root, Module string

	packages map[string]map[string]string // package path: "Type.Field": text
	err      error
}

// Describe returns a field's doc comment, with the option's name where the
// comment begins with the field's.
func (c *Comments) Describe(t reflect.Type, index []int, option string) string {
	field := t.Field(index[0])
	for _, i := range index[1:] {
		t = field.Type
		field = t.Field(i)
	}
	text, ok := c.read(t.PkgPath())[t.Name()+"."+field.Name]
	if !ok && c.err == nil {
		c.err = fmt.Errorf("%s.%s has no doc comment", t, field.Name)
	}
	if rest, ok := strings.CutPrefix(text, field.Name); ok && rest != "" && strings.Contains(" :,", rest[:1]) {
		text = option + rest
	}
	return text
}

// DescribeType returns a type's doc comment, without the name and "is" in front.
func (c *Comments) DescribeType(t reflect.Type) string {
	text, ok := c.read(t.PkgPath())[t.Name()]
	if !ok && c.err == nil {
		c.err = fmt.Errorf("%s has no doc comment", t)
	}
	if rest, ok := strings.CutPrefix(text, t.Name()+" is "); ok && rest != "" {
		return strings.ToUpper(rest[:1]) + rest[1:]
	}
	return text
}

// Err returns the first field without a comment, or why sources can't be read.
func (c *Comments) Err() error { return c.err }

func (c *Comments) read(pkg string) map[string]string {
	if known, ok := c.packages[pkg]; ok {
		return known
	}
	if c.packages == nil {
		c.packages = map[string]map[string]string{}
	}
	texts := map[string]string{}
	c.packages[pkg] = texts
	files, err := filepath.Glob(filepath.Join(c.Root, strings.TrimPrefix(pkg, c.Module), "*.go"))
	if err != nil {
		c.err = err
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			c.err = err
			continue
		}
		collect(parsed, texts)
	}
	return texts
}

// collect notes the comments of all types and struct fields of a file.
func collect(file *ast.File, texts map[string]string) {
	ast.Inspect(file, func(n ast.Node) bool {
		if d, ok := n.(*ast.GenDecl); ok && d.Tok == token.TYPE && len(d.Specs) == 1 && d.Doc != nil {
			texts[d.Specs[0].(*ast.TypeSpec).Name.Name] = d.Doc.Text()
		}
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		structure, ok := spec.Type.(*ast.StructType)
		if !ok {
			return true
		}
		for _, f := range structure.Fields.List {
			text := f.Doc.Text()
			if text == "" {
				text = f.Comment.Text()
			}
			if text == "" {
				continue
			}
			for _, name := range f.Names {
				texts[spec.Name.Name+"."+name.Name] = text
			}
		}
		return true
	})
}
