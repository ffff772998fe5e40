package main

import "errors"

func runFlood(args []string) error { return errors.New("not yet") }
