// Package yamlform reads a YAML document into explicit Go code, without
// reflection, and finds every mistake of the document in one go: each with its
// line and column, its path, what is wrong, what would be right, and the
// nearest valid word where one is misspelt.
//
// One flow through it:
//
//	doc := yamlform.Parse("agent.yaml", data)
//	m := doc.Root()
//	m.Require("product", "broker")
//	m.Text("product", &c.Product, productKey)
//	broker := m.Map("broker")
//	broker.Duration("keep_alive", &c.KeepAlive, time.Second, time.Hour)
//	yamlform.Enum(m, "confirm", &c.Confirm, Auto, Ask)
//	return doc.Err()
//
// Every read takes a destination, which keeps its value, the default, where the
// document does not give the key or gives it wrongly. The keys that a program
// asks for are the keys that there are: Err reports all others as unknown. So a
// program asks for every key of its language before it calls Err, and never has
// to list the keys a second time.
//
// A scalar is read from its source text: a version 1.10 is not the number 1.1,
// and quotes never matter. Aliases are followed within bounds; merge keys and
// tags are refused, for a reader should see what a document says.
//
// Write is the other way: it gives values as YAML.
//
// The package knows nothing of what a document means:
// a rule about a value is a function of the caller, and a rule about several
// values is the caller's own code, which reports through Map.Problemf.
package yamlform
