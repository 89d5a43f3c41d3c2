package api

import "github.com/labstack/echo/v4"

// EchoRoutes is the router's own table.
func (s *Server) EchoRoutes() []*echo.Route { return s.echo.Routes() }
