package policy

import (
	"maps"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
)

// checkEdgeHTTP looks at the admin endpoints of an edge. path is that of the fix.
func (d *document) checkEdgeHTTP(path string, f EdgeFix) {
	controls := path + ".http.controls"
	d.uniqueTexts(path+".http.instances", f.HTTP.Instances)
	for _, fix := range f.Allow {
		control, known := f.HTTP.Controls[fix]
		here := join(controls, fix)
		switch {
		case !d.sound(here, path+".allow"):
		case !known && d.sound(controls) && len(f.HTTP.Controls) > 0:
			d.wrong(here, "is missing: %s is allowed, write its apply, revert and read, or take it out of allow", fix)
		case known && control.Adjust == nil && len(f.Ramp) > 0 && d.sound(path+".ramp"):
			d.wrong(here+".adjust", "is missing, and the ramp needs it to give calls back step by step: write adjust, or set ramp: []")
		}
	}
	for _, fix := range slices.Sorted(maps.Keys(f.HTTP.Controls)) {
		d.checkControl(join(controls, fix), f.HTTP.Controls[fix], edgeFields())
	}
}

// checkControl looks at the commands of one fix, and at how its state is read back. fields are the values that its templates get.
func (d *document) checkControl(path string, c HTTPControl, fields []string) {
	d.checkRequest(path+".apply", c.Apply, fields)
	d.checkRequest(path+".revert", c.Revert, fields)
	if c.Adjust != nil {
		d.checkRequest(path+".adjust", *c.Adjust, fields)
	}
	read := path + ".read"
	d.checkPath(read+".path", c.Read.Path, fields)
	if c.Read.On == c.Read.Off && c.Read.On != "" && d.sound(read) {
		d.wrong(read+".off", "is the same as on, so the state could not be told: write what is read when the change does not stand")
	}
}

// checkRequest looks at the templates of one command.
func (d *document) checkRequest(path string, r HTTPRequest, fields []string) {
	d.checkPath(path+".path", r.Path, fields)
	d.checkTemplate(path+".body", r.Body, fields)
}

// checkPath looks at the template of a path, which must begin with "/" so that it joins every base URL alike.
func (d *document) checkPath(path, text string, fields []string) {
	if !blank(text) && !strings.HasPrefix(text, "/") && d.sound(path) {
		d.wrong(path, "must begin with '/', got %s", d.written(path))
	}
	d.checkTemplate(path, text, fields)
}

// edgeFields are the values that the templates of an edge can use.
func edgeFields() []string { return append([]string{"Service", "Edge"}, orderFields()...) }

// nodeFields are the values that the templates of a node, or of an application's pool, of a cluster can use.
func nodeFields() []string { return append([]string{"Cluster", "Node"}, orderFields()...) }

// orderFields are those that say what is to be done.
func orderFields() []string {
	return []string{"Action", "TTLSeconds", "Until", "Released", "Held", "Params"}
}

// checkTemplate holds that a template can be read, and uses nothing that it will not get. It is not carried out: that could
// take for ever.
func (d *document) checkTemplate(path, text string, fields []string) {
	if text == "" || !d.sound(path) {
		return
	}
	t, err := template.New("").Parse(text)
	if err != nil {
		words := err.Error()
		if i := strings.LastIndex(words, ": "); i >= 0 {
			words = words[i+2:]
		}
		d.wrong(path, "is not a template (%s): write for example {{.%s}}", quote(words), fields[1])
		return
	}
	if t.Tree == nil || t.Root == nil {
		return
	}
	var used []string
	fieldsUsed(t.Root, &used)
	slices.Sort(used)
	for _, name := range slices.Compact(used) {
		if !slices.Contains(fields, name) {
			d.wrong(path, "uses .%s, which a template does not have: %s", name, oneOf(name, fields))
		}
	}
}

// fieldsUsed collects the fields of the template's own value that are used below a node. Inside of "with" and "range"
// the dot is something else; only $ is the template's value there.
func fieldsUsed(n parse.Node, into *[]string) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n != nil {
			for _, one := range n.Nodes {
				fieldsUsed(one, into)
			}
		}
	case *parse.ActionNode:
		fieldsUsed(n.Pipe, into)
	case *parse.TemplateNode:
		fieldsUsed(n.Pipe, into)
	case *parse.IfNode:
		fieldsUsed(n.Pipe, into)
		fieldsUsed(n.List, into)
		fieldsUsed(n.ElseList, into)
	case *parse.WithNode:
		fieldsUsed(n.Pipe, into)
		fieldsUsed(n.ElseList, into)
	case *parse.RangeNode:
		fieldsUsed(n.Pipe, into)
		fieldsUsed(n.ElseList, into)
	case *parse.PipeNode:
		if n != nil {
			for _, c := range n.Cmds {
				fieldsUsed(c, into)
			}
		}
	case *parse.CommandNode:
		for _, a := range n.Args {
			fieldsUsed(a, into)
		}
	case *parse.ChainNode:
		fieldsUsed(n.Node, into)
	case *parse.FieldNode:
		*into = append(*into, n.Ident[0])
	case *parse.VariableNode:
		if n.Ident[0] == "$" && len(n.Ident) > 1 {
			*into = append(*into, n.Ident[1])
		}
	}
}
