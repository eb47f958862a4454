//go:build tools

// Package tools pins the Python language host that install.py builds: go.mod and go.sum need an import to keep it.
package tools

import _ "github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python"
