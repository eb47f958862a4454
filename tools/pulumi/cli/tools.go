//go:build tools

// Package tools pins the Pulumi CLI that install.py builds: go.mod and go.sum need an import to keep it.
package tools

import _ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
